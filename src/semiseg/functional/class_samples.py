"""Points of one class out of many, with shapes that do not depend on the data: an accelerator need not wait to know how many there are."""

from __future__ import annotations

import torch
from torch import Tensor


def sample_where(mask: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Random positions at which a mask is true, without replacement.

    Args:
        mask: (N,) bool.
        size: how many; at most N are drawn.

    Returns:
        positions (P,) and whether each counts (P,) bool, P = min(size, N). Where the mask is true at fewer than P places, these come
        again and do not count; where it is true nowhere, the positions are any and none counts.
    """
    keys = torch.rand(mask.shape, device=mask.device) - (~mask).float()  # members in [0, 1), others below
    values, positions = keys.topk(min(size, len(mask)))
    counts = values >= 0
    return repeat_first(positions, counts.sum()), counts


def best_where(scores: Tensor, mask: Tensor, size: int) -> Tensor:
    """Positions of the highest of those `scores` (N,) whose mask (N,) is true; if fewer than `size` (at most N), these again. (size,)"""
    positions = scores.masked_fill(~mask, -torch.inf).topk(size).indices
    return repeat_first(positions, mask.sum())


def repeat_first(values: Tensor, count: Tensor) -> Tensor:
    """The first `count` (a scalar tensor) of `values` (P, ...), over and over up to P; all of them where `count` is 0."""
    period = torch.where(count > 0, count, len(values)).clamp(max=len(values))
    return values[torch.arange(len(values), device=values.device) % period]
