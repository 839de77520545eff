"""Entropy minimization: what is added to supervised training, and when nothing is."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from method_kit import last_step, make_batch, make_method

from semiseg.case import Batch, Labeled, Unlabeled
from semiseg.methods.entropy_minimization import EntropyMinimization


def entropy_minimization(dimensions: int = 3, classes: int = 2, **settings: Any) -> EntropyMinimization:
    method = make_method("entropy-minimization", dimensions, classes, **settings)
    assert isinstance(method, EntropyMinimization)
    return method


@pytest.mark.parametrize("classes", [2, 4])
def test_undecided_voxels_cost_the_whole_weight_and_sure_ones_nothing(classes: int) -> None:
    method = entropy_minimization(2, classes, weight=0.1)
    head = method.network.decoder.head
    weight, bias = head.parameters()
    torch.nn.init.zeros_(weight)
    torch.nn.init.zeros_(bias)
    step = last_step(method)  # 39 of 40: exp(-5 (1/40)^2) = 0.99688
    assert method(make_batch(2, classes), step)["entropy"].item() == pytest.approx(0.1 * math.exp(-5 / 40**2), rel=1e-4)
    torch.nn.init.constant_(bias[:1], 50.0)
    assert method(make_batch(2, classes), step)["entropy"].item() == pytest.approx(0, abs=1e-5)


def test_without_its_own_term_it_is_supervised_training() -> None:
    method, batch = entropy_minimization(weight=0).eval(), make_batch()
    alone = make_method("supervised", dice="class_squared").eval()
    losses = method(batch, last_step(method))
    assert set(losses) == {"supervised"}
    assert losses["supervised"].item() == pytest.approx(alone(batch, last_step(alone))["supervised"].item(), rel=1e-5)


def test_entropy_of_labelled_images_counts_as_well_as_ssl4mis_has_it() -> None:
    batch, losses = make_batch(2), dict[object, float]()
    for images in ("unlabeled", "all"):
        method = entropy_minimization(2, ramp=0, entropy_on=images).eval()
        losses[images] = method(batch, last_step(method))["entropy"].item()
        swapped = Batch(Labeled(batch.unlabeled.image, batch.labeled.label), Unlabeled(batch.labeled.image))
        losses[images, "swapped"] = method(swapped, last_step(method))["entropy"].item()
    assert losses["all"] == pytest.approx((losses["unlabeled"] + losses["unlabeled", "swapped"]) / 2, rel=1e-5)  # as many of each
    assert losses["all", "swapped"] == pytest.approx(losses["all"], rel=1e-5)
