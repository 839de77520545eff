"""Losses over labelled voxels, at values that can be worked out by hand."""

from __future__ import annotations

from functools import partial
from math import log

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from semiseg.case import IGNORE
from semiseg.functional.dice import (
    DiceLoss,
    class_squared_dice_loss,
    class_squared_half_dice_loss,
    foreground_dice_loss,
    foreground_squared_dice_loss,
    one_hot,
    sample_class_dice_loss,
)
from semiseg.functional.distance import segmentation_and_distance_losses, signed_distance_maps
from semiseg.functional.losses import segmentation_loss
from semiseg.functional.regions import region_loss
from semiseg.functional.supervision import compared, cross_entropy, labeled_voxels, mean_squared_error

DICE: dict[str, DiceLoss] = {
    "sample_class": sample_class_dice_loss,
    "class_squared": class_squared_dice_loss,
    "class_squared_half": class_squared_half_dice_loss,
    "foreground_squared": foreground_squared_dice_loss,
    "foreground": foreground_dice_loss,
}
every_dice = pytest.mark.parametrize("dice", DICE.values(), ids=DICE.keys())


def example(classes: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (2, K, 4, 6), labels (2, 4, 6), and the same labels with the last two columns ignored."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, classes, 4, 6, generator=generator)
    labels = torch.randint(0, classes, (2, 4, 6), generator=generator)
    hidden = labels.clone()
    hidden[..., 4:] = IGNORE
    return logits, labels, hidden


def test_an_ignored_voxel_has_no_indicator_and_no_probability() -> None:
    labels = torch.tensor([[0, 1, IGNORE]])
    probabilities, target = compared(torch.full((1, 2, 3), 0.5), labels)
    assert probabilities.tolist() == [[[0.5, 0.5, 0], [0.5, 0.5, 0]]]
    assert target.tolist() == [[[1, 0, 0], [0, 1, 0]]]
    assert labeled_voxels(labels).tolist() == [[[1, 1, 0]]]


def test_cross_entropy_is_the_mean_over_the_labelled_voxels() -> None:
    logits = torch.tensor([[[0.0, 0.0, 9.0], [0.0, log(3), -9.0]]])  # p of class 1: 1/2, 3/4, all but 0
    assert cross_entropy(logits, torch.tensor([[1, 1, IGNORE]])).item() == pytest.approx((log(2) + log(4 / 3)) / 2)


@every_dice
def test_a_loss_with_ignored_columns_is_the_loss_of_the_other_columns(dice: DiceLoss) -> None:
    logits, labels, hidden = example()
    expected = segmentation_loss(logits[..., :4], labels[..., :4], dice)
    assert segmentation_loss(logits, hidden, dice).item() == pytest.approx(expected.item(), abs=1e-6)
    assert segmentation_loss(logits, labels, dice).item() != pytest.approx(expected.item(), abs=1e-3)


@every_dice
def test_what_the_network_says_of_ignored_voxels_changes_no_loss_and_is_not_taught(dice: DiceLoss) -> None:
    logits, _, hidden = example()
    said = logits.clone()
    said[..., 4:] = 50 * torch.randn(2, 3, 4, 2)
    said.requires_grad_()
    loss = segmentation_loss(said, hidden, dice)
    assert loss.item() == segmentation_loss(logits, hidden, dice).item()
    loss.backward()  # type: ignore[no-untyped-call]
    assert said.grad is not None
    assert (said.grad[..., 4:] == 0).all()
    assert (said.grad[..., :4] != 0).any()


@every_dice
def test_where_all_is_labelled_nothing_changes_by_a_single_bit(dice: DiceLoss) -> None:
    logits, labels, _ = example()
    probabilities = logits.softmax(1)
    assert torch.equal(cross_entropy(logits, labels), F.cross_entropy(logits, labels))
    assert torch.equal(dice(*compared(probabilities, labels)), dice(probabilities, one_hot(labels, 3)))
    assert torch.equal(mean_squared_error(logits, probabilities, labels), F.mse_loss(logits, probabilities))


def test_nothing_labelled_costs_nothing_and_teaches_nothing() -> None:
    logits, _, hidden = example()
    logits.requires_grad_()
    nothing = torch.full_like(hidden, IGNORE)
    losses = [
        segmentation_loss(logits, nothing),
        region_loss(logits, nothing, (slice(0, 2), slice(0, 6)), 1, 0.5),
        region_loss(logits, nothing, (slice(0, 2), slice(0, 6)), 1, 0.5, partial(class_squared_dice_loss, epsilon=1e-10)),
        *segmentation_and_distance_losses(logits, logits[:, 1:], nothing, 0.3).values(),
    ]
    assert [loss.item() for loss in losses] == [0.0] * 5
    torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_a_sample_without_labelled_voxels_leaves_cross_entropy_to_the_others() -> None:
    logits, labels, _ = example()
    hidden = labels.clone()
    hidden[1] = IGNORE
    assert cross_entropy(logits, hidden).item() == pytest.approx(F.cross_entropy(logits[:1], labels[:1]).item(), abs=1e-6)


@pytest.mark.parametrize(("inside", "outside"), [(1.0, 0.0), (0.5, 1.0)])
def test_regions_are_judged_by_their_labelled_voxels(inside: float, outside: float) -> None:
    logits, labels, hidden = example()
    box = (slice(1, 3), slice(0, 6))
    rows = torch.tensor([1, 2, 0, 3])  # in the box, in the box, outside, outside
    upper, lower = (segmentation_loss(logits[:, :, part][..., :4], labels[:, part][..., :4]) for part in (rows[:2], rows[2:]))
    assert region_loss(logits, hidden, box, inside, outside).item() == pytest.approx((inside * upper + outside * lower).item(), abs=1e-5)


def test_a_region_with_one_labelled_voxel_is_that_voxel() -> None:
    labels = torch.full((3, 4, 4), IGNORE)
    labels[2, 0, 0] = 1
    loss = region_loss(torch.zeros(3, 2, 4, 4), labels, (slice(0, 2), slice(0, 2)), 1, 1)
    # CE log 2; of 6 (sample, class) Dices 4 are of nothing (1), background 0 / 1/2, foreground 2 * 1/2 / (1/2 + 1) = 2/3
    assert loss.item() == pytest.approx(0.5 * (log(2) + 1 - (4 + 2 / 3) / 6), abs=1e-4)


def test_distances_take_ignored_voxels_for_outside_and_the_loss_leaves_them_out() -> None:
    labels = torch.tensor([[[1, 1, 0, 0, IGNORE, IGNORE]]]).expand(1, 2, 6)
    maps = signed_distance_maps(labels, 2)
    assert maps[0, 0, 0].tolist() == pytest.approx([-1, 0, 0.25, 0.5, 0.75, 1])
    wrong = maps.clone()
    wrong[..., 4:] = 7  # where nobody knows
    wrong[..., 0] += 1
    losses = segmentation_and_distance_losses(torch.zeros(1, 2, 2, 6), wrong, labels, 0.3)
    assert losses["distance"].item() == pytest.approx(0.3 / 4)  # one of four labelled columns is off by 1
    assert losses["dice"].item() == pytest.approx(1 - 4 / 6, abs=1e-4)  # 2 * 4/2 / (8/4 + 4)
