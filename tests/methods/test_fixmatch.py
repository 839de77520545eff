"""FixMatch: which voxels count, and what SSL4MIS does differently."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from method_kit import last_step, make_batch, make_method
from torch import Tensor

from semiseg.methods.fixmatch import FixMatch, complementary_loss


def fixmatch(dimensions: int = 3, classes: int = 2, **settings: Any) -> FixMatch:
    method = make_method("fixmatch", dimensions, classes, **settings)
    assert isinstance(method, FixMatch)
    return method


def voxels(*probabilities: list[float]) -> Tensor:
    """One image with a voxel for each list of class probabilities. (1, K, voxels)"""
    return torch.tensor(probabilities).T[None]


def test_only_confident_voxels_count_and_the_mean_is_over_all() -> None:
    method = fixmatch()
    weak = voxels([0.04, 0.96], [0.06, 0.94])  # above and below 0.95
    strong = voxels([0.5, 0.5], [0.9, 0.1]).log()
    assert method.pseudo_label_loss(strong, weak).item() == pytest.approx(math.log(2) / 2)  # (-ln 0.5 + 0) / 2 voxels
    assert method.watch()["sure_voxels"] == 0.5
    assert method.watch()["pseudo_foreground"] == 0.5


def test_unsure_voxels_are_taught_as_background_if_released() -> None:
    method = fixmatch(unsure="background")
    weak = voxels([0.04, 0.96], [0.06, 0.94])
    strong = voxels([0.5, 0.5], [0.25, 0.75]).log()
    assert method.pseudo_label_loss(strong, weak).item() == pytest.approx((math.log(2) + math.log(4)) / 2)  # classes 1 and 0


def test_the_released_confidence_lets_nearly_every_voxel_pass() -> None:
    released, corrected = fixmatch(variant="released"), fixmatch()
    probabilities = voxels([0.4, 0.3, 0.25, 0.05], [0.3, 0.3, 0.2, 0.2])
    assert released.confidence(probabilities)[0].tolist() == pytest.approx([0.875, 1 / 3])  # (0.4 - 0.05) / 0.4, (0.3 - 0.2) / 0.3
    assert corrected.confidence(probabilities)[0].tolist() == pytest.approx([0.4, 0.3])
    assert (released.settings.threshold, corrected.settings.threshold) == (0.8, 0.95)


def test_the_released_dice_is_added_on_pseudo_labels() -> None:
    weak, strong = voxels([0.0, 1.0], [1.0, 0.0]), torch.zeros(1, 2, 2)
    plain, with_dice = (fixmatch(unlabeled_dice=on).pseudo_label_loss(strong, weak).item() for on in (False, True))
    # p = 1/2 everywhere: each class 2 * 0.5 / (2 * 0.25 + 1) = 2/3
    assert with_dice - plain == pytest.approx(1 / 3, abs=1e-4)


def test_the_complementary_loss_vanishes_on_even_maps_and_is_large_on_peaked_ones() -> None:
    even = torch.full((1, 2, 4), 0.5)
    assert complementary_loss(even, even).item() == pytest.approx(0, abs=1e-6)  # the entropy over space is ln 4: A = 0
    peaked = torch.tensor([[[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 1.0]]])
    # entropies over space 0 and ln 3: A = 1 - (0 + ln 3 / ln 4) / 2; logits 1 - p are 0 and 1 everywhere, the larger of the target
    a = 1 - math.log(3) / math.log(4) / 2
    assert complementary_loss(peaked, peaked).item() == pytest.approx(a**2 * math.log(1 + math.exp(-1)), rel=1e-5)


def test_complementary_loss_has_finite_gradients_where_a_probability_is_zero() -> None:
    logits = torch.tensor([[[200.0, -200.0], [-200.0, 200.0]]], requires_grad=True)
    complementary_loss(logits.softmax(1), logits.detach().softmax(1)).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_labels_come_from_the_weak_view_and_no_gradient_goes_back_there() -> None:
    method, calls = fixmatch(threshold=0), []
    method.network.register_forward_hook(lambda _, arguments, logits: calls.append((arguments[0], logits)))
    batch = make_batch()
    losses = method(batch, last_step(method))
    (labeled_images, labeled), (weak_images, weak), (strong_images, strong) = calls
    assert torch.equal(labeled_images, batch.labeled.image)
    assert torch.equal(weak_images, batch.unlabeled.image)
    assert strong_images.shape == batch.unlabeled.image.shape
    assert not torch.equal(strong_images, batch.unlabeled.image)
    gradients = torch.autograd.grad(losses["pseudo_labels"], [labeled, weak, strong], allow_unused=True)
    assert gradients[:2] == (None, None)
    assert gradients[2] is not None


def test_without_its_own_term_it_is_supervised_training() -> None:
    method, batch = fixmatch(weight=0).eval(), make_batch()
    alone = make_method("supervised", dice="class_squared", weight=2).eval()
    losses = method(batch, last_step(method))
    assert set(losses) == {"supervised"}
    assert losses["supervised"].item() == pytest.approx(alone(batch, last_step(alone))["supervised"].item(), rel=1e-5)
