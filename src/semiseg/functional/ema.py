"""The moving average of a network's weights: the one place where a teacher is changed."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


def frozen_copy(network: M) -> M:
    """A copy in eval mode that no optimiser sees (`requires_grad` is off)."""
    return copy.deepcopy(network).requires_grad_(False).eval()


@torch.no_grad()
def ema_update(teacher: nn.Module, student: nn.Module, decay: float, step: int, average_buffers: bool = False) -> None:
    """teacher = a * teacher + (1 - a) * student with a = min(1 - 1 / (step + 1), decay), in place.

    At step 0 the teacher becomes the student. Integer buffers are copied. `average_buffers`: batch statistics are averaged as
    well, which a teacher that predicts in eval mode needs; otherwise they are left alone (Tarvainen and Valpola, NeurIPS 2017).
    """
    weight = 1 - min(1 - 1 / (step + 1), decay)
    pairs = [(mine.data, theirs.data) for mine, theirs in zip(teacher.parameters(), student.parameters(), strict=True)]
    if average_buffers:
        pairs += zip(teacher.buffers(), student.buffers(), strict=True)
    averaged, copied = ([pair for pair in pairs if pair[0].is_floating_point() == floating] for floating in (True, False))
    torch._foreach_lerp_([mine for mine, _ in averaged], [theirs for _, theirs in averaged], weight)
    if copied:
        torch._foreach_copy_([mine for mine, _ in copied], [theirs for _, theirs in copied])
