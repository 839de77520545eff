"""UA-MT: the mask of sure voxels, and that without it Mean Teacher is left."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from method_kit import last_step, make_batch, make_method
from torch import Tensor, nn


class Says(nn.Module):
    """A teacher that gives each voxel of a row the probability of class 1 that it is told to; the rest goes to class 0."""

    def __init__(self, probabilities: list[float]) -> None:
        super().__init__()
        self.one = torch.tensor(probabilities)

    def forward(self, image: Tensor) -> Tensor:
        return torch.stack([1 - self.one, self.one]).log().expand(len(image), 2, -1)


def consistency(probabilities: list[float], **settings: Any) -> float:
    """UA-MT's term at the last step, of a student that is sure of class 0 and a teacher that says `probabilities`."""
    method = make_method("ua_mt", 2, **settings)
    method.teacher = Says(probabilities)
    student = torch.tensor([1.0, 0.0]).view(1, 2, 1).expand(1, 2, len(probabilities))
    return float(method.consistency(student, torch.zeros(1, 1, len(probabilities)), last_step(method, 0)))


def test_only_sure_voxels_count() -> None:
    # H(0) = 0.521; entropies: H(0.1) = 0.325 (sure), H(0.5) = 0.693 (not)
    assert consistency([0.1, 0.5]) == pytest.approx(0.01)  # (0.1^2 + 0.1^2) / (2 * 1 voxel)
    assert consistency([0.1, 0.2]) == pytest.approx((0.01 + 0.04) / 2)  # H(0.2) = 0.500: sure as well
    assert consistency([0.5, 0.4]) == 0  # nobody is sure


def test_the_released_port_divides_by_two_whatever_the_classes_and_stays_stricter() -> None:
    method, released = (make_method("ua_mt", 2, 4, variant=variant) for variant in ("corrected", "released"))
    even = torch.full((1, 4, 8), 0.25)
    for each in (method, released):
        each.teacher = nn.Conv1d(1, 4, 1)
        nn.init.zeros_(each.teacher.weight)
        each.teacher.bias.data = torch.tensor([0.0, 0.0, -9.0, -9.0])  # entropy about ln 2 = 0.693
    step = last_step(method, 0)  # thresholds: 0.7517 ln 4 = 1.042 and 0.7517 ln 2 = 0.521
    image = torch.zeros(1, 1, 8)
    assert method.consistency(even, image, step).item() == pytest.approx(4 * 0.25**2 / 4, rel=1e-2)  # differences 1/4 in every class
    assert released.consistency(even, image, step).item() == 0
    assert released.settings.consistency_on == "unlabeled"


def test_with_a_threshold_above_every_entropy_it_is_mean_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semiseg.methods.ua_mt.entropy_threshold", lambda *_: math.inf)
    terms = []
    for name, settings in (("mean_teacher", {"consistency_on": "all"}), ("ua_mt", {})):
        method = make_method(name, noise=0, **settings).eval()  # no dropout, running statistics: every pass is the same
        terms.append(method(make_batch(), last_step(method))["consistency"].item())
    assert terms[1] == pytest.approx(terms[0], rel=1e-5)


def test_the_teacher_is_asked_eight_times_and_once_more() -> None:
    method, calls = make_method("ua_mt"), []
    method.teacher.register_forward_hook(lambda *_: calls.append(1))
    losses = method(make_batch(), last_step(method))
    assert len(calls) == 9
    assert losses["consistency"].requires_grad
    assert 0 <= method.watch()["sure_voxels"] <= 1
