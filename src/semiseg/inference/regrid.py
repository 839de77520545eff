"""Carries what was predicted on the prepared grid back to the scan's own, slab by slab: linearly, or by nearest neighbour for `resize`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from semiseg.case import Array
from semiseg.data.resample import nearest


@dataclass(frozen=True, eq=False)
class AxisMap:
    """Where the voxels of one axis of a scan get their values from, on the prepared grid.

    Attributes:
        low, high: (n,) int64, two neighbours on the prepared axis, neither falling.
        weight: (n,) float32, of `high`; None where `low` is all that is taken.
        whole: the axis is taken as it is.
    """

    low: Array
    high: Array
    weight: Array | None = None
    whole: bool = False

    def __len__(self) -> int:
        return len(self.low)

    def part(self, start: int, stop: int) -> AxisMap:
        """The map of voxels `start` up to `stop` of the scan, counting prepared ones from the first of them that is needed."""
        first = int(self.low[start])
        weight = None if self.weight is None else self.weight[start:stop]
        return AxisMap(self.low[start:stop] - first, self.high[start:stop] - first, weight, self.whole)

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """The prepared voxels that voxels `start` up to `stop` of the scan need: the first, and the one behind the last."""
        return int(self.low[start]), int(self.high[stop - 1]) + 1

    def apply(self, values: Tensor, dim: int) -> Tensor:
        """`values` along `dim` at the voxels of the scan, in memory of their own."""
        low = values.index_select(dim, torch.from_numpy(self.low).to(values.device))
        if self.weight is None:
            return low
        high = values.index_select(dim, torch.from_numpy(self.high).to(values.device))
        weight = torch.from_numpy(self.weight).to(values.device).view(-1, *[1] * (values.ndim - 1 - dim))
        return low.lerp_(high, weight)


def axis_map(prepared: int, size: int, linear: bool) -> AxisMap:
    """The way back along an axis of `size` voxels that was prepared to `prepared` ones; see `data.resample` for where they lie."""
    if prepared == size or not linear:
        index = nearest(prepared, size)
        return AxisMap(index, index, whole=prepared == size)
    place = np.clip((np.arange(size) + 0.5) * prepared / size - 0.5, 0, prepared - 1)
    low = np.floor(place).astype(np.int64)
    return AxisMap(low, np.minimum(low + 1, prepared - 1), (place - low).astype(np.float32))


def regridded(slabs: Iterable[Tensor], maps: Sequence[AxisMap], axis: int, height: int) -> Iterator[Tensor]:
    """Slabs (K, *S') that follow on each other along `axis`, as slabs (K, *S) of `height` rows of the scan.

    Args:
        slabs: on the prepared grid.
        maps: of each axis of S, counting from the first voxel of the slabs.
    """
    coming, rows, dim = iter(slabs), maps[axis], axis + 1
    held: list[tuple[int, Tensor]] = []  # slabs, each with the number of its first row
    end = 0
    for start in range(0, len(rows), height):
        low, high = rows.span(start, min(start + height, len(rows)))
        while end < high:
            held = [(max(first, low), _rows(slab, first, low, end, dim).clone()) for first, slab in held if first + slab.shape[dim] > low]
            held.append((end, next(coming)))  # what came before is now no more than the rows that are still needed
            end += held[-1][1].shape[dim]
        parts = [_rows(slab, first, low, high, dim) for first, slab in held if first < high and first + slab.shape[dim] > low]
        values = rows.part(start, start + height).apply(torch.cat(parts, dim) if len(parts) > 1 else parts[0], dim)
        for other, way in enumerate(maps):
            values = values if other == axis or way.whole else way.apply(values, other + 1)
        del parts
        yield values


def _rows(slab: Tensor, first: int, low: int, high: int, dim: int) -> Tensor:
    """Of a slab whose first row is number `first`, the rows from `low` up to `high`."""
    start, stop = max(low - first, 0), min(high - first, slab.shape[dim])
    return slab.narrow(dim, start, stop - start)
