"""UA-MT: the mask of sure voxels, and that without it Mean Teacher is left."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from method_kit import last_step, make_batch, make_method
from torch import Tensor, nn

from semiseg.functional.dice import class_squared_dice_loss, foreground_squared_dice_loss
from semiseg.functional.losses import segmentation_loss
from semiseg.methods.ua_mt import UAMT


def ua_mt(dimensions: int = 3, classes: int = 2, **settings: Any) -> UAMT:
    method = make_method("ua-mt", dimensions, classes, **settings)
    assert isinstance(method, UAMT)
    return method


class Says(nn.Module):
    """A teacher with the same answer for every image: probabilities of each class, voxel by voxel."""

    def __init__(self, probabilities: list[list[float]]) -> None:
        super().__init__()
        self.logits = torch.tensor(probabilities).log()  # (K, voxels)

    def forward(self, image: Tensor) -> Tensor:
        return self.logits.expand(len(image), *self.logits.shape)


def consistency(probabilities: list[float], **settings: Any) -> float:
    """UA-MT's term at the last step, of a student that is sure of class 0 and a teacher that gives class 1 these `probabilities`."""
    method = ua_mt(2, **settings)
    method.add_module("teacher", Says([[1 - p for p in probabilities], probabilities]))
    student = torch.tensor([1.0, 0.0]).view(1, 2, 1).expand(1, 2, len(probabilities))
    return float(method.consistency(student, torch.zeros(1, 1, len(probabilities)), 0, last_step(method, 0)))


def test_only_sure_voxels_count() -> None:
    # H(0) = 0.521; entropies: H(0.1) = 0.325 (sure), H(0.5) = 0.693 (not)
    assert consistency([0.1, 0.5]) == pytest.approx(0.01)  # (0.1^2 + 0.1^2) / (2 * 1 voxel)
    assert consistency([0.1, 0.2]) == pytest.approx((0.01 + 0.04) / 2)  # H(0.2) = 0.500: sure as well
    assert consistency([0.5, 0.4]) == 0  # nobody is sure


def test_the_released_port_divides_by_two_whatever_the_classes_and_stays_stricter() -> None:
    method, released = (ua_mt(2, 4, variant=variant) for variant in ("corrected", "released"))
    even = torch.full((1, 4, 8), 0.25)
    for each in (method, released):
        each.add_module("teacher", Says([[0.5] * 8, [0.5] * 8, [1e-4] * 8, [1e-4] * 8]))  # entropy about ln 2 = 0.693
    step = last_step(method, 0)  # thresholds: 0.7517 ln 4 = 1.042 and 0.7517 ln 2 = 0.521
    image = torch.zeros(1, 1, 8)
    assert method.consistency(even, image, 0, step).item() == pytest.approx(4 * 0.25**2 / 4, rel=1e-2)  # differences 1/4 in every class
    assert released.consistency(even, image, 0, step).item() == 0
    assert released.settings.consistency_on == "unlabeled"


def test_with_a_threshold_above_every_entropy_it_is_mean_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semiseg.methods.ua_mt.entropy_threshold", lambda *_: math.inf)
    terms = []
    for name in ("mean-teacher", "ua-mt"):
        method = make_method(name, noise=0, consistency_on="all").eval()  # no dropout, running statistics: every pass is the same
        terms.append(method(make_batch(), last_step(method))["consistency"].item())
    assert terms[1] == pytest.approx(terms[0], rel=1e-5)


def test_the_teacher_is_asked_eight_times_and_once_more() -> None:
    method, seen = ua_mt(), []
    method.teacher.register_forward_hook(lambda _, arguments, __: seen.append(len(arguments[0])))
    losses = method(make_batch(), last_step(method))
    assert sum(seen) == 9 * 8  # images, 4 labelled and 4 unlabelled
    assert losses["consistency"].requires_grad
    assert 0 <= method.watch()["sure_voxels"] <= 1


def test_dice_is_of_the_foreground_on_la_and_of_all_classes_in_the_port() -> None:
    batch = make_batch(2)
    for name, loss in (("foreground_squared", foreground_squared_dice_loss), ("class_squared", class_squared_dice_loss)):
        method = ua_mt(2, weight=0, dice=name).eval()
        logits = method.predict_logits(batch.labeled.image)
        expected = segmentation_loss(logits, batch.labeled.label, loss).item()
        assert method(batch, last_step(method))["supervised"].item() == pytest.approx(expected, rel=1e-5)
