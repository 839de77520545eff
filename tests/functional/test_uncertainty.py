"""Entropies and the threshold on them, at values that can be worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from semiseg.functional.uncertainty import entropy, entropy_threshold, masked_mean, mean_softmax


def test_entropy_is_zero_when_certain_and_ln_k_when_not() -> None:
    probabilities = torch.tensor([[[1.0, 0.25], [0.0, 0.25], [0.0, 0.25], [0.0, 0.25]]])  # (1, 4, 2)
    assert entropy(probabilities)[0].tolist() == pytest.approx([0.0, math.log(4)], abs=1e-5)


def test_the_threshold_rises_from_about_three_quarters_to_all_of_ln_k() -> None:
    assert entropy_threshold(0, 6000, 2) == pytest.approx(0.52103, abs=1e-5)  # (0.75 + 0.25 * 0.006738) * 0.693147
    assert entropy_threshold(6000, 6000, 2) == pytest.approx(0.69315, abs=1e-5)  # ln 2
    assert entropy_threshold(6000, 6000, 4) == pytest.approx(1.38629, abs=1e-5)  # ln 4


def test_mean_softmax_averages_probabilities_not_logits() -> None:
    logits = iter([torch.tensor([[0.0, 0.0]]), torch.tensor([[math.log(9), 0.0]])])  # softmax 0.5 and 0.9
    assert mean_softmax(lambda: next(logits), 2)[0].tolist() == pytest.approx([0.7, 0.3])


def test_a_mean_over_nothing_is_zero() -> None:
    values = torch.tensor([1.0, 2.0, 6.0])
    assert masked_mean(values, torch.tensor([True, False, True])).item() == 3.5  # (1 + 6) / 2
    assert masked_mean(values, torch.zeros(3, dtype=torch.bool)).item() == 0
