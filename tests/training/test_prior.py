"""The classes' shares that a training begins with."""

from __future__ import annotations

import pytest
import torch

from semiseg.case import IGNORE, Batch, Labeled, Unlabeled
from semiseg.training.prior import class_prior


def batches(*labels: list[int]) -> list[Batch]:
    image = torch.zeros(1, 1, 2, 5)
    return [Batch(Labeled(image, torch.tensor(values).view(1, 2, 5)), Unlabeled(image)) for values in labels]


def test_shares_are_counted_over_the_first_four_batches_where_there_are_labels() -> None:
    given = batches([0] * 5 + [1] * 5, [0] * 8 + [1, 2], [IGNORE] * 10, [0] * 8 + [1, IGNORE], [2] * 10)
    # 29 labelled voxels: 21 of class 0, 7 of class 1, 1 of class 2; the fifth batch does not count
    assert class_prior(given.__getitem__, 3).tolist() == pytest.approx([21 / 29, 7 / 29, 1 / 29])


def test_a_rare_class_counts_as_one_percent_and_a_scan_without_background_too() -> None:
    empty = batches(*[[0] * 10] * 4)
    assert class_prior(empty.__getitem__, 3).tolist() == pytest.approx([0.98, 0.01, 0.01])
    full = batches(*[[1] * 10] * 4)
    assert class_prior(full.__getitem__, 2).tolist() == pytest.approx([0.01 / 1.01, 1 / 1.01])
