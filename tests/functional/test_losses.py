"""Losses against hand arithmetic and the released code's numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from semiseg.functional.dice import one_hot, sample_class_dice_loss
from semiseg.functional.losses import feature_conflict_loss, segmentation_loss

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "cml.json").read_text(encoding="utf-8"))


def golden_image(shape: tuple[int, ...], k: int) -> Tensor:
    """The deterministic pattern that the golden values were computed on."""
    i = np.arange(np.prod(shape), dtype=np.float64)
    k += 1000
    return torch.from_numpy((1.5 * np.sin(0.37 * (k + 1) + (1.7 + 0.013 * (k % 97)) * i)).astype(np.float32).reshape(shape))


def test_segmentation_loss_is_the_released_ones() -> None:
    labels = torch.clamp(torch.trunc(1.4 * golden_image((2, 24, 20), 6) + 2), 0, 3).long()
    assert segmentation_loss(golden_image((2, 4, 24, 20), 5), labels).item() == pytest.approx(GOLDEN["losses_2d"]["sup4"], abs=1e-6)


def test_feature_conflict_is_the_released_ones() -> None:
    loss = feature_conflict_loss(golden_image((2, 8, 6, 5), 7), golden_image((2, 8, 6, 5), 8))
    assert loss.item() == pytest.approx(GOLDEN["losses_2d"]["dis"], abs=1e-6)


def test_dice_of_half_a_voxel_pair() -> None:
    target = one_hot(torch.tensor([[0, 1]]), 2)  # one background, one foreground voxel
    probabilities = torch.full((1, 2, 2), 0.5)
    # each class: 2 * 0.5 / (1 + 1) = 0.5
    assert sample_class_dice_loss(probabilities, target).item() == pytest.approx(0.5, abs=1e-5)


def test_dice_of_a_perfect_prediction_is_zero_even_for_absent_classes() -> None:
    labels = torch.zeros(2, 3, 3, dtype=torch.long)
    assert sample_class_dice_loss(one_hot(labels, 3), one_hot(labels, 3)).item() == pytest.approx(0.0, abs=1e-6)


def test_dice_averages_over_samples_not_voxels() -> None:
    labels = torch.tensor([[0, 0, 0, 1], [1, 1, 1, 1]])
    prediction = one_hot(torch.tensor([[0, 0, 0, 1], [0, 0, 0, 0]]), 2)
    # sample 1: both classes 1; sample 2: both classes 0 (nothing overlaps) -> mean 0.5
    assert sample_class_dice_loss(prediction, one_hot(labels, 2)).item() == pytest.approx(0.5, abs=1e-4)


def test_feature_conflict_ranges_from_opposite_to_equal_and_stops_at_the_other_view() -> None:
    features = torch.randn(2, 8, 4, 4, requires_grad=True)
    other = features.detach().clone().requires_grad_()
    equal = feature_conflict_loss(features, other)
    assert equal.item() == pytest.approx(2.0, abs=1e-5)  # 1 + cos 0
    assert feature_conflict_loss(features, -other).item() == pytest.approx(0.0, abs=1e-5)  # 1 + cos 180
    equal.backward()  # type: ignore[no-untyped-call]
    assert other.grad is None
    assert features.grad is not None
