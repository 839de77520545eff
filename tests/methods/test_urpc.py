"""URPC: how far levels are from their mean, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from method_kit import last_step, make_batch, make_method

from semiseg.functional.dice import class_squared_dice_loss
from semiseg.functional.losses import segmentation_loss
from semiseg.methods.urpc import URPC


def urpc(dimensions: int = 2, classes: int = 2, **settings: Any) -> URPC:
    method = make_method("urpc", dimensions, classes, **settings)
    assert isinstance(method, URPC)
    return method


def logits_of(*foreground: float) -> torch.Tensor:
    """Logits of two classes with these probabilities of foreground, one a voxel. (1, 2, voxels)"""
    p = torch.tensor(foreground)
    return torch.stack([1 - p, p])[None].log()


def test_equal_levels_cost_nothing() -> None:
    assert urpc().consistency(4 * [torch.randn(2, 3, 8, 8)]).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("variant", "expected"), [("corrected", 0.141750), ("released", 0.157973)])
def test_one_voxel_and_two_levels(variant: str, expected: float) -> None:
    # levels (0.9, 0.1) and (0.5, 0.5), mean (0.7, 0.3): squares 0.2^2 each; one voxel, so the rectification cancels
    # released: KL(mean | level) = 0.7 ln 7/9 + 0.3 ln 3 = 0.153664, and 0.7 ln 7/5 + 0.3 ln 3/5 = 0.082283
    # corrected: KL(level | mean) = 0.9 ln 9/7 + 0.1 ln 1/3 = 0.116322, and 0.5 ln 5/7 + 0.5 ln 5/3 = 0.087177
    assert urpc(variant=variant).consistency([logits_of(0.1), logits_of(0.5)]).item() == pytest.approx(expected, abs=1e-5)


def test_unsure_voxels_count_less() -> None:
    # the voxel above beside one where both agree (D = 0, weight 1): 0.04 w / (w + 1) + D / 2, with w = exp(-D)
    # D = 0.116322: 0.04 * 0.470954 + 0.058161 = 0.076999; D = 0.087177: 0.04 * 0.478220 + 0.043589 = 0.062717
    assert urpc().consistency([logits_of(0.1, 0.4), logits_of(0.5, 0.4)]).item() == pytest.approx(0.069858, abs=1e-5)


@pytest.mark.parametrize("variant", ["corrected", "released"])
def test_certain_and_opposite_levels_cost_a_finite_amount(variant: str) -> None:
    levels = [torch.tensor([500.0, -500.0]).view(1, 2, 1).requires_grad_(), torch.tensor([-500.0, 500.0]).view(1, 2, 1)]
    loss = urpc(variant=variant).consistency(levels)
    loss.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(loss)
    assert levels[0].grad is not None
    assert torch.isfinite(levels[0].grad).all()
    if variant == "corrected":
        assert loss.item() == pytest.approx(0.25 + 0.693147, abs=1e-5)  # (1/2)^2 + ln 2


def test_without_consistency_each_level_learns_the_labels_alone() -> None:
    method, batch = urpc(classes=4, weight=0).eval(), make_batch(2, 4)
    losses = method(batch, last_step(method))
    levels = method.network(batch.labeled.image)
    expected = sum(segmentation_loss(level, batch.labeled.label, class_squared_dice_loss).item() for level in levels) / 4
    assert list(losses) == ["supervised"]
    assert losses["supervised"].item() == pytest.approx(expected, abs=1e-5)
