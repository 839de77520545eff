"""Predicts a scan of any size with a network of one patch size: overlapping windows, averaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from semiseg.errors import SettingsError


def window_starts(side: int, patch: int, stride: int) -> list[int]:
    """First voxels of the windows along one axis: a stride apart, the last one flush with the border.

    There are ceil((side - patch) / stride) + 1 of them; one where the side is no longer than the patch.
    """
    last = max(side - patch, 0)
    return [*range(0, last, stride), last]


@torch.no_grad()
def sliding_window(
    predict: Callable[[Tensor], Tensor], volume: Tensor, patch: Sequence[int], stride: Sequence[int], classes: int, batch: int
) -> Tensor:
    """The uniform average of all windows' predictions (the field's inference; UA-MT, Yu et al., MICCAI 2019, and all after it).

    Args:
        predict: probabilities (B, classes, *patch) of windows (B, C, *patch).
        volume: (C, *S), in any number of dimensions; padded with zeros on both sides where it is smaller than the patch.
        patch, stride: voxels along each axis; a stride is at most the patch, so that no voxel is left out.
        batch: windows at a time.

    Returns:
        (classes, *S) float32 on the volume's device.

    Raises:
        SettingsError: a stride is longer than its patch, or less than 1.
    """
    if len(patch) != volume.ndim - 1 or len(stride) != len(patch) or not all(1 <= s <= p for s, p in zip(stride, patch, strict=True)):
        raise SettingsError(
            f"inference.stride: {tuple(stride)} does not suit patch {tuple(patch)}; expected 1 up to the patch along each axis."
        )
    padded, inside = _padded(volume, patch)
    starts = [window_starts(*sides) for sides in zip(padded.shape[1:], patch, stride, strict=True)]
    total = volume.new_zeros((classes, *padded.shape[1:]), dtype=torch.float32)
    places = [(slice(None), *map(_span, corner, patch)) for corner in product(*starts)]
    for first in range(0, len(places), batch):
        some = places[first : first + batch]
        for place, probabilities in zip(some, predict(torch.stack([padded[place] for place in some])), strict=True):
            total[place] += probabilities
    for axis, (side, length) in enumerate(zip(padded.shape[1:], patch, strict=True), start=1):
        total /= _coverage(starts[axis - 1], side, length).to(total.device).view(-1, *[1] * (total.ndim - 1 - axis))
    return total[inside]


def _span(start: int, length: int) -> slice:
    return slice(start, start + length)


def _padded(volume: Tensor, patch: Sequence[int]) -> tuple[Tensor, tuple[slice, ...]]:
    """The volume with zeros around it, at least as large as the patch, and where in it the volume lies."""
    sides = volume.shape[1:]
    lacking = [max(p - side, 0) for side, p in zip(sides, patch, strict=True)]
    before = [lack // 2 for lack in lacking]
    amounts = [amount for lack, left in zip(reversed(lacking), reversed(before), strict=True) for amount in (left, lack - left)]
    return F.pad(volume, amounts), (slice(None), *map(_span, before, sides))


def _coverage(starts: Sequence[int], side: int, patch: int) -> Tensor:
    """How many windows lie over each voxel of one axis: (side,). Windows form a grid, so a voxel's count is the product over axes."""
    counts = torch.zeros(side)
    for start in starts:
        counts[_span(start, patch)] += 1
    return counts
