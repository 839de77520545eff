"""What one trained method says of a prepared scan: probabilities, and on request how unsure it is, window by window, on the scan's grid."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from semiseg.case import Array
from semiseg.config import Run
from semiseg.devices import autocast
from semiseg.inference.regrid import axis_map, regridded
from semiseg.inference.sliding_window import sliding_window

if TYPE_CHECKING:
    from semiseg.inference.predictor import Predictor

CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}
BYTES = 4
"""Of a probability while windows are summed up."""


@dataclass(frozen=True)
class Pieces:
    """How a scan is predicted so that memory stays bounded: from one end of `axis` to the other, in columns along `across`.

    Attributes:
        axis: along which slabs are predicted and given out.
        across: along which the scan is cut into columns; each has its own windows, so those that two share are predicted twice.
        columns: first voxel and the one behind the last.
        height: rows of the scan that are given out at a time.
    """

    axis: int
    across: int
    columns: tuple[tuple[int, int], ...]
    height: int


def windows_of(run: Run, axes: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Patch and stride along each axis of a prepared scan: a slice is a window of one voxel along its axis."""
    patch, stride = run.training.patch, run.inference.stride
    stride = stride or tuple(max(side // 2, 1) for side in patch)
    if axes > len(patch):
        cut = run.preparation.slice_axis
        assert cut is not None
        patch, stride = (*patch[:cut], 1, *patch[cut:]), (*stride[:cut], 1, *stride[cut:])
    return patch, stride


def make_pieces(shape: Sequence[int], prepared: Sequence[tuple[Run, Sequence[int]]], channels: int) -> Pieces:
    """The first axis if what is summed up along it stays within `inference.memory` of the first run, else the axis that needs least.

    Args:
        shape: (*S) of the scan.
        prepared: each run, and the shape (*S') of the scan that is prepared for it.
        channels: numbers a voxel: probabilities, and the uncertainty.
    """
    limit, row = prepared[0][0].inference.memory * 2**30, BYTES * channels
    needs = [max(row * _held(run, sides, axis) for run, sides in prepared) for axis in range(len(shape))]
    axis = 0 if needs[0] <= limit else needs.index(min(needs))
    across = max((k for k in range(len(shape)) if k != axis), key=lambda k: shape[k])
    count = min(math.ceil(needs[axis] / limit), shape[across])
    edges = [shape[across] * k // count for k in range(count + 1)]
    given_out = row * math.prod(shape) // (shape[axis] * count)  # bytes of a row of a column
    return Pieces(axis, across, tuple(pairwise(edges)), max(int(limit / 4) // max(given_out, 1), 1))


def _held(run: Run, sides: Sequence[int], axis: int) -> int:
    """Voxels of a prepared scan over which sums are held at a time: a patch and a stride of rows."""
    patch, stride = windows_of(run, len(sides))
    return min(patch[axis] + stride[axis], sides[axis]) * math.prod(side for k, side in enumerate(sides) if k != axis)


def scores(
    member: Predictor, image: Array, shape: Sequence[int], pieces: Pieces, column: tuple[int, int], unsure: bool
) -> Iterator[Tensor]:
    """Slabs (K, *S) of one column of the scan, `pieces.height` rows each, on the device; with `unsure` (K + 1, *S), uncertainty last.

    Args:
        member: the trained method.
        image: (C, *S'), prepared.
        shape: (*S) of the scan.
    """
    run = member.run
    patch, stride = windows_of(run, len(shape))
    ways = [axis_map(side, size, run.preparation.spacing is not None) for side, size in zip(image.shape[1:], shape, strict=True)]
    wanted = [column if k == pieces.across else (0, size) for k, size in enumerate(shape)]
    part = [way.span(*span) for way, span in zip(ways, wanted, strict=True)]
    ways = [way.part(*span) for way, span in zip(ways, wanted, strict=True)]
    flat = run.preparation.slice_axis if len(shape) > len(run.training.patch) else None

    def predict(windows: Tensor) -> Tensor:
        windows = windows.to(member.device)
        if flat is None:
            return window_scores(member, windows, unsure)
        return window_scores(member, windows.squeeze(flat + 2), unsure).unsqueeze(flat + 2)

    slabs = sliding_window(predict, torch.from_numpy(image), patch, stride, run.inference.batch, pieces.axis, part)
    return regridded(slabs, ways, pieces.axis, pieces.height)


def window_scores(member: Predictor, windows: Tensor, unsure: bool) -> Tensor:
    """(B, C, *P) -> (B, K, *P) probabilities, with `unsure` the uncertainty as one more; the mean over all flips where the run says so."""
    axes = range(2, windows.ndim)
    flips = [flip for count in range(windows.ndim - 1) for flip in combinations(axes, count)] if member.run.inference.flips else [()]
    found = _once(member, windows, unsure)
    for flip in flips[1:]:
        found += _once(member, windows.flip(flip), unsure).flip(flip)
    return found / len(flips) if len(flips) > 1 else found


def _once(member: Predictor, windows: Tensor, unsure: bool) -> Tensor:
    windows = windows.contiguous(memory_format=CHANNELS_LAST[windows.ndim - 2])
    with autocast(member.precision, member.device):
        logits = member.method.predict_logits(windows)
        views = member.method.predict_views(windows) if unsure else []
    probabilities = logits.float().softmax(1)
    if not unsure:
        return probabilities
    return torch.cat([probabilities, uncertainty(probabilities, views)], dim=1)


def uncertainty(probabilities: Tensor, views: Sequence[Tensor]) -> Tensor:
    """How unsure the model is of each voxel: (B, 1, *P) in 0..1.

    Args:
        probabilities: (B, K, *P), of the method.
        views: logits (B, K, *P) of each view. Of two or more: the span of their foreground probabilities; else 1 - the highest probability.
    """
    if len(views) < 2:
        return 1 - probabilities.amax(1, keepdim=True)
    return spread([1 - view.float().softmax(1)[:, :1] for view in views])


def spread(values: Sequence[Tensor]) -> Tensor:
    """How far the least and the greatest of several tensors lie apart, element by element."""
    stacked = torch.stack(list(values))
    return stacked.amax(0) - stacked.amin(0)
