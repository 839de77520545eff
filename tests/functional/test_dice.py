"""Every Dice variant at values that can be worked out by hand."""

from __future__ import annotations

import pytest
import torch

from semiseg.functional.dice import (
    class_squared_dice_loss,
    class_squared_half_dice_loss,
    foreground_dice_loss,
    foreground_squared_dice_loss,
    one_hot,
    pooled_dice_loss,
    sample_class_dice_loss,
)

LABELS = torch.tensor([[0, 1], [1, 1]])
VARIANTS = [sample_class_dice_loss, class_squared_dice_loss, foreground_squared_dice_loss, foreground_dice_loss]


@pytest.mark.parametrize("loss", VARIANTS)
def test_a_perfect_hard_prediction_costs_nothing(loss) -> None:  # type: ignore[no-untyped-def]
    assert loss(one_hot(LABELS, 2), one_hot(LABELS, 2)).item() == pytest.approx(0, abs=1e-6)


def test_the_half_dice_of_a_perfect_prediction_is_one_half_and_of_an_absent_class_one() -> None:
    assert class_squared_half_dice_loss(one_hot(LABELS, 2), one_hot(LABELS, 2)).item() == pytest.approx(0.5)
    assert class_squared_half_dice_loss(one_hot(LABELS, 3), one_hot(LABELS, 3)).item() == pytest.approx(2 / 3)  # (0.5 + 0.5 + 1) / 3


def test_linear_and_squared_differ_at_probabilities_of_one_half() -> None:
    half, target = torch.full((1, 2, 4), 0.5), one_hot(torch.ones(1, 4, dtype=torch.long), 2)
    assert foreground_dice_loss(half, target).item() == pytest.approx(1 / 3, abs=1e-6)  # 1 - 2 * 2 / (2 + 4)
    assert foreground_squared_dice_loss(half, target).item() == pytest.approx(0.2, abs=1e-5)  # 1 - 2 * 2 / (4 * 0.25 + 4)


def test_classes_and_samples_are_averaged_where_the_name_says_so() -> None:
    labels = torch.tensor([[1, 0], [0, 0]])
    blank = one_hot(torch.zeros_like(labels), 2)
    target = one_hot(labels, 2)
    # whole batch: background 2 * 3 / (4 + 3) = 6/7, foreground 0 -> 1 - 3/7
    assert class_squared_dice_loss(blank, target).item() == pytest.approx(4 / 7, abs=1e-4)
    # per sample: (2/3, ~0) and (1, 1 by epsilon) -> 1 - (2/3 + 0 + 1 + 1) / 4
    assert sample_class_dice_loss(blank, target).item() == pytest.approx(1 / 3, abs=1e-4)


def test_a_mask_leaves_voxels_out() -> None:
    labels, mask = torch.tensor([[0, 1, 1, 0]]), torch.tensor([1.0, 1.0, 0.0, 0.0])
    wrong_outside = one_hot(torch.tensor([[0, 1, 0, 1]]), 2)
    for loss in (sample_class_dice_loss, class_squared_dice_loss):
        assert loss(wrong_outside, one_hot(labels, 2), mask).item() == pytest.approx(0, abs=1e-5)


def test_a_single_map_is_foreground() -> None:
    probabilities, target = torch.full((1, 1, 4), 0.5), torch.ones(1, 1, 4)
    assert foreground_squared_dice_loss(probabilities, target).item() == pytest.approx(0.2, abs=1e-5)


def test_pooled_dice_of_equal_predictions_is_zero_only_if_they_are_sure() -> None:
    sure, half = one_hot(LABELS, 2), torch.full((2, 2, 2), 0.5)
    assert pooled_dice_loss(sure, sure).item() == pytest.approx(0, abs=1e-6)
    assert pooled_dice_loss(half, half).item() == pytest.approx(0.5)  # 1 - 2 * 8 / 4 / (4 + 4)
