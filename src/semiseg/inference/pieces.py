"""How a scan is cut into pieces so that the memory of a prediction stays bounded: rows along one axis, columns along another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from semiseg.config import Run
from semiseg.inference.sliding_window import check_stride

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
    """Patch and stride along each axis of a prepared scan: a slice is a window of one voxel along its axis.

    Raises:
        SettingsError: the stride does not suit the patch.
    """
    patch, stride = run.training.patch, run.inference.stride
    stride = stride or tuple(max(side // 2, 1) for side in patch)
    check_stride(patch, stride)
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
    needs = [sum(row * _held(run, sides, axis) for run, sides in prepared) for axis in range(len(shape))]
    axis = 0 if needs[0] <= limit else needs.index(min(needs))
    across = max((k for k in range(len(shape)) if k != axis), key=lambda k: shape[k])
    count = min(math.ceil(needs[axis] / limit), shape[across])
    edges = [shape[across] * k // count for k in range(count + 1)]
    given_out = len(prepared) * row * math.prod(shape) / (shape[axis] * count)  # bytes of a row of a column
    return Pieces(axis, across, tuple(pairwise(edges)), max(int(limit / 16 / given_out), 1))


def _held(run: Run, sides: Sequence[int], axis: int) -> int:
    """Voxels of a prepared scan over which sums are held at a time: a patch and a stride of rows."""
    patch, stride = windows_of(run, len(sides))
    return min(patch[axis] + stride[axis], sides[axis]) * math.prod(side for k, side in enumerate(sides) if k != axis)
