"""The moving average follows its network."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from semiseg.functional.ema import ema_update, frozen_copy


def network(value: float) -> nn.Module:
    layers = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1))
    for tensor in [*layers.parameters(), *(b for b in layers.buffers() if b.is_floating_point())]:
        tensor.data.fill_(value)
    return layers


def values(module: nn.Module) -> set[float]:
    return {round(float(p), 6) for p in module.parameters()}


def test_first_update_copies_and_later_ones_average() -> None:
    student, teacher = network(3.0), frozen_copy(network(1.0))
    ema_update(teacher, student, 0.99, step=0)
    assert values(teacher) == {3.0}  # a = min(1 - 1/1, 0.99) = 0
    ema_update(teacher, network(5.0), 0.99, step=1)
    assert values(teacher) == {4.0}  # a = min(1 - 1/2, 0.99) = 0.5
    ema_update(teacher, network(104.0), 0.99, step=1000)
    assert values(teacher) == {5.0}  # 0.99 * 4 + 0.01 * 104


def test_buffers_are_left_alone_unless_asked_for() -> None:
    student, teacher = network(3.0), frozen_copy(network(1.0))
    ema_update(teacher, student, 0.5, step=9)
    assert teacher.get_buffer("1.running_mean").item() == 1.0
    ema_update(teacher, student, 0.5, step=9, average_buffers=True)
    assert teacher.get_buffer("1.running_mean").item() == pytest.approx(2.0)  # 0.5 * 1 + 0.5 * 3


def test_a_frozen_copy_has_nothing_to_train() -> None:
    assert not any(p.requires_grad for p in frozen_copy(network(1.0)).parameters())
    assert torch.is_grad_enabled()
