"""Self-training: a supervised start, then the network's own labels."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from method_kit import last_step, make_batch, make_method, steps_of

from semiseg.functional.losses import segmentation_loss
from semiseg.methods.self_training import SelfTraining


def self_training(dimensions: int = 3, classes: int = 2, **settings: Any) -> SelfTraining:
    method = make_method("self-training", dimensions, classes, **settings)
    assert isinstance(method, SelfTraining)
    return method


def test_the_start_is_supervised_training_bit_for_bit() -> None:
    gradients = []
    for method in (self_training(), make_method("supervised")):
        torch.manual_seed(1)  # dropout
        step = steps_of(method, 8)[0]
        sum(method(make_batch(), step).values()).backward()
        gradients.append([p.grad for p in method.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_pseudo_labels_are_the_networks_own_classes() -> None:
    method, batch = self_training(weight=0.5).eval(), make_batch()
    losses = method(batch, last_step(method))
    logits = method.network(batch.unlabeled.image)
    assert losses["pseudo_labels"].item() == pytest.approx(0.5 * segmentation_loss(logits, logits.argmax(1)).item(), rel=1e-5)


def test_stages_share_the_steps_by_the_setting() -> None:
    assert [stage.steps for stage in self_training(pretrain=0.25).stages(40)] == [10, 30]
