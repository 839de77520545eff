"""The loss of a mixed image, region by region, at values that can be worked out by hand."""

from __future__ import annotations

from functools import partial
from math import log

import pytest
import torch

from semiseg.functional.dice import class_squared_dice_loss
from semiseg.functional.losses import segmentation_loss
from semiseg.functional.regions import box_mask, region_loss, whole_background

BOX = (slice(1, 3), slice(0, 4))


def test_mask_is_one_in_the_box_alone() -> None:
    mask = box_mask(BOX, torch.zeros(2, 4, 6))
    assert mask.shape == (4, 6)
    assert mask.sum() == 2 * 4
    assert mask[1, 0] == mask[2, 3] == 1


@pytest.mark.parametrize(("inside", "outside"), [(1.0, 0.0), (0.5, 1.0), (0.0, 2.0)])
def test_each_region_is_judged_with_its_own_weight(inside: float, outside: float) -> None:
    logits, labels = torch.randn(2, 3, 4, 6), torch.randint(0, 3, (2, 4, 6))
    halves = [(logits[:, :, :2], labels[:, :2]), (logits[:, :, 2:], labels[:, 2:])]
    expected = inside * segmentation_loss(*halves[0]) + outside * segmentation_loss(*halves[1])
    assert region_loss(logits, labels, (slice(0, 2), slice(0, 6)), inside, outside).item() == pytest.approx(expected.item(), abs=1e-5)


def test_wrong_voxels_cost_in_their_region_alone() -> None:
    labels = torch.zeros(1, 4, 6, dtype=torch.long)
    labels[:, 1, 0] = 1
    logits = 50 * torch.stack([1.0 - labels, labels.float()], dim=1)
    logits[:, :, 0] = logits[:, :, 0].flip(1)  # the first row, outside of the box, is wrong
    assert region_loss(logits, labels, BOX, 1, 0).item() == pytest.approx(0, abs=1e-5)
    assert region_loss(logits, labels, BOX, 0, 1).item() > 1


def test_undecided_logits() -> None:
    labels = torch.zeros(1, 4, 6, dtype=torch.long)
    # CE = log 2; squared Dice of p = 1/2: background 2 n/2 / (n/4 + n) = 4/5, absent class 0 -> 1 - 2/5
    loss = region_loss(torch.zeros(1, 2, 4, 6), labels, BOX, 1, 0.5, partial(class_squared_dice_loss, epsilon=1e-10))
    assert loss.item() == pytest.approx(1.5 * 0.5 * (log(2) + 0.6), abs=1e-5)


def test_a_region_without_voxels_costs_nothing() -> None:
    logits, labels = torch.randn(2, 2, 4, 4), torch.randint(0, 2, (2, 4, 4))
    everything = (slice(0, 4), slice(0, 4))
    assert region_loss(logits, labels, everything, 1, 1).item() == pytest.approx(segmentation_loss(logits, labels).item(), abs=1e-5)


def test_the_backgrounds_dice_over_the_whole_image_as_in_bcps_first_2d_code() -> None:
    labels = torch.zeros(1, 4, 6, dtype=torch.long)
    labels[:, 1, 0] = 1
    sure = 50 * torch.stack([1.0 - labels, labels.float()], dim=1)
    wrong = sure.clone()
    wrong[:, :, 0] = sure[:, :, 0].flip(1)  # the first row, 6 of 24 voxels, outside of the box
    dice = partial(class_squared_dice_loss, epsilon=1e-10)
    whole = whole_background(dice)
    assert region_loss(sure, labels, BOX, 1, 0, whole).item() == pytest.approx(0, abs=1e-5)
    assert region_loss(wrong, labels, BOX, 1, 0, dice).item() == pytest.approx(0, abs=1e-5)
    # in the box all is right; the background of the image: 2 * 17 / (17 + 23) = 0.85; (0.15 + 0) / 2 classes, times 1/2
    assert region_loss(wrong, labels, BOX, 1, 0, whole).item() == pytest.approx(0.0375, abs=1e-5)
