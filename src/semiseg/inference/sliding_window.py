"""Predicts a scan of any size with a network of one patch size: overlapping windows, averaged, given out slab by slab."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, product

import torch
import torch.nn.functional as F
from torch import Tensor

from semiseg.errors import SettingsError

Predict = Callable[[Tensor], Tensor]
"""Windows (B, C, *patch) -> probabilities (B, K, *patch)."""
Span = tuple[int, int]
"""First voxel, and the one behind the last."""


def window_starts(side: int, patch: int, stride: int) -> list[int]:
    """First voxels of the windows along one axis: a stride apart, the last one flush with the border.

    There are ceil((side - patch) / stride) + 1 of them; one where the side is no longer than the patch.
    """
    last = max(side - patch, 0)
    return [*range(0, last, stride), last]


def check_stride(patch: Sequence[int], stride: Sequence[int]) -> None:
    """Raises SettingsError where windows of that stride would leave voxels out."""
    if len(stride) != len(patch) or not all(1 <= s <= p for s, p in zip(stride, patch, strict=True)):
        raise SettingsError(
            f"inference.stride: {tuple(stride)} does not suit patch {tuple(patch)}; expected 1 up to the patch along each axis."
        )


@torch.no_grad()
def sliding_window(
    predict: Predict,
    volume: Tensor,
    patch: Sequence[int],
    stride: Sequence[int],
    batch: int,
    axis: int = 0,
    part: Sequence[Span] | None = None,
) -> Iterator[Tensor]:
    """The uniform average of all windows' predictions (the field's inference; UA-MT, Yu et al., MICCAI 2019, and all after it).

    Windows are taken along `axis` from one end to the other, and what no later window reaches is given out. So no more than a patch and
    a stride of rows is held, and each voxel is the sum of the same numbers in the same order as if all were.

    Args:
        predict: probabilities (B, K, *patch) of windows (B, C, *patch).
        volume: (C, *S), in any number of dimensions; padded with zeros on both sides where it is smaller than the patch.
        patch, stride: voxels along each axis; a stride is at most the patch, so that no voxel is left out.
        batch: windows at a time.
        axis: of S, along which slabs follow on each other.
        part: the voxels of S that are asked for, along each axis; windows that reach none of them are left out.

    Yields:
        (K, *S) on the device and in the type of the probabilities; along `axis` some rows, one slab after another.

    Raises:
        SettingsError: a stride is longer than its patch, or less than 1.
    """
    check_stride(patch, stride)
    padded, before = _padded(volume, patch)
    starts = [window_starts(*sides) for sides in zip(padded.shape[1:], patch, stride, strict=True)]
    wanted = part or [(0, side) for side in volume.shape[1:]]
    box = [(low + left, high + left) for (low, high), left in zip(wanted, before, strict=True)]
    corners = _corners(starts, patch, box, axis)
    bands = list(pairwise([box[axis][0], *[start for start in starts[axis] if box[axis][0] < start < box[axis][1]], box[axis][1]]))
    reused = _Reused(predict)
    sums: dict[Span, Tensor] = {}
    for first in range(0, len(corners), batch):
        some = corners[first : first + batch]
        for corner, probabilities in zip(some, reused([padded[_window(corner, patch)] for corner in some]), strict=True):
            for band in bands:
                if band[0] < corner[axis] + patch[axis] and corner[axis] < band[1]:
                    _add(sums, band, axis, box, corner, probabilities)
        later = corners[first + batch][axis] if first + batch < len(corners) else box[axis][1]
        while bands and bands[0][1] <= later:
            band = bands.pop(0)
            yield _averaged(sums.pop(band), _within(box, axis, band), starts, patch)


class _Reused:
    """Predicts windows, but a window of one value a channel only where the last such one had another: the same input, the same answer."""

    def __init__(self, predict: Predict) -> None:
        self.predict = predict
        self.level: Tensor | None = None
        self.answer: Tensor | None = None

    def __call__(self, windows: Sequence[Tensor]) -> list[Tensor]:
        levels = [_level(window) for window in windows]
        new = [k for k, level in enumerate(levels) if level is None or self.level is None or not torch.equal(level, self.level)]
        answers = iter(self.predict(torch.stack([windows[k] for k in new])) if new else ())
        known, found = self.answer, []
        for k, level in enumerate(levels):
            answer = next(answers) if k in new else known
            assert answer is not None
            found.append(answer)
            if level is not None:
                self.level, self.answer = level, answer
        return found


def _level(window: Tensor) -> Tensor | None:
    """The value (C,) of each channel, if each has only one."""
    level, last = window, window
    for _ in range(window.ndim - 1):
        level, last = level.select(1, 0), last.select(1, -1)
    if not torch.equal(level, last):  # spares most windows the look at every voxel
        return None
    return level if bool((window == level.view(-1, *[1] * (window.ndim - 1))).all()) else None


def _corners(starts: Sequence[Sequence[int]], patch: Sequence[int], box: Sequence[Span], axis: int) -> list[tuple[int, ...]]:
    """First voxels of all windows that reach into the box; those along `axis` change last."""
    reaching = [
        [start for start in line if start < high and start + side > low] for line, side, (low, high) in zip(starts, patch, box, strict=True)
    ]
    order = [axis, *[k for k in range(len(starts)) if k != axis]]
    places = product(*[reaching[k] for k in order])
    return [tuple(place[order.index(k)] for k in range(len(order))) for place in places]


def _within(box: Sequence[Span], axis: int, band: Span) -> list[Span]:
    """The part of the box that lies in a band of rows."""
    return [band if k == axis else span for k, span in enumerate(box)]


def _add(sums: dict[Span, Tensor], band: Span, axis: int, box: Sequence[Span], corner: Sequence[int], probabilities: Tensor) -> None:
    """Add to the band's sum what of a window (K, *patch) lies in it."""
    spans = _within(box, axis, band)
    if band not in sums:
        sums[band] = probabilities.new_zeros((len(probabilities), *[high - low for low, high in spans]))
    both = [
        (max(low, start), min(high, start + side)) for (low, high), start, side in zip(spans, corner, probabilities.shape[1:], strict=True)
    ]
    target = tuple(slice(low - span[0], high - span[0]) for (low, high), span in zip(both, spans, strict=True))
    source = tuple(slice(low - start, high - start) for (low, high), start in zip(both, corner, strict=True))
    sums[band][(slice(None), *target)] += probabilities[(slice(None), *source)]


def _averaged(total: Tensor, spans: Sequence[Span], starts: Sequence[Sequence[int]], patch: Sequence[int]) -> Tensor:
    """Sums (K, *spans) by the number of windows over each voxel, in place: windows form a grid, so counts are products over axes."""
    for axis, ((low, high), line, side) in enumerate(zip(spans, starts, patch, strict=True), start=1):
        total /= _coverage(line, high, side)[low:].to(total.device).view(-1, *[1] * (total.ndim - 1 - axis))
    return total


def _window(corner: Sequence[int], patch: Sequence[int]) -> tuple[slice, ...]:
    return (slice(None), *[slice(start, start + side) for start, side in zip(corner, patch, strict=True)])


def _padded(volume: Tensor, patch: Sequence[int]) -> tuple[Tensor, list[int]]:
    """The volume with zeros around it where it is smaller than the patch, and how many were put before it along each axis."""
    lacking = [max(p - side, 0) for side, p in zip(volume.shape[1:], patch, strict=True)]
    before = [lack // 2 for lack in lacking]
    amounts = [amount for lack, left in zip(reversed(lacking), reversed(before), strict=True) for amount in (left, lack - left)]
    return F.pad(volume, amounts) if any(lacking) else volume, before  # `pad` would copy a volume that needs nothing


def _coverage(starts: Sequence[int], side: int, patch: int) -> Tensor:
    """How many windows lie over each of the first `side` voxels of one axis: (side,)."""
    counts = torch.zeros(side)
    for start in starts:
        counts[start : start + patch] += 1
    return counts
