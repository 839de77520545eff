"""The connected components of a label map, found on runs of equal labels along its last axis instead of on voxels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Runs:
    """Foreground voxels in a row that have one label, in the order of the flattened, padded map; every array is (N,).

    Attributes:
        start, stop: first voxel, and the one behind the last.
        label: of the run.
        sample: which of the samples it lies in.
    """

    start: Indices
    stop: Indices
    label: NDArray[Any]
    sample: Indices


def keep_largest(labels: NDArray[Any], classes: int) -> NDArray[Any]:
    """Each class's largest component in each sample, the rest 0: labels (B, *S) in 0..classes-1, same shape and type out.

    Neighbours touch by a face, an edge or a corner; a tie goes to the component that comes first.
    A left atrium has some thousand runs and a million voxels: this takes a fourth of the time of a labelling of voxels, or less.
    """
    padded = _padded(labels, classes)
    runs = _runs(padded)
    count, component = connected_components(_touching(runs, padded.shape), directed=False)
    dropped = ~_largest(runs, component, count)[component]
    flat = padded.reshape(-1)
    flat[_voxels(runs.start[dropped], runs.stop[dropped])] = 0
    inner = tuple(slice(side) for side in labels.shape)
    return padded[inner].astype(labels.dtype)


def _padded(labels: NDArray[Any], classes: int) -> NDArray[Any]:
    """With a background voxel behind each axis of a sample, so that no run reaches from one row or plane into the next."""
    padded = np.zeros((len(labels), *[side + 1 for side in labels.shape[1:]]), np.min_scalar_type(classes - 1))
    padded[tuple(slice(side) for side in labels.shape)] = labels
    return padded


def _runs(padded: NDArray[Any]) -> Runs:
    flat = padded.reshape(-1)
    edges = np.flatnonzero(np.concatenate([[flat[0] != 0], flat[1:] != flat[:-1]]))  # the last voxel is background
    filled = flat[edges] != 0
    start, stop = edges[filled], edges[1:][filled[:-1]]
    return Runs(start, stop, flat[start], start // (padded.size // len(padded)))


def _touching(runs: Runs, shape: tuple[int, ...]) -> coo_array[Any, Any]:
    """(N, N), an entry for each pair of runs of one label in neighbouring rows that touch."""
    ones, others = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    strides = [int(np.prod(shape[axis + 1 :])) for axis in range(1, len(shape) - 1)]  # of the axes of a sample but the last
    for offsets in product((-1, 0, 1), repeat=len(strides)):
        shift = sum(offset * stride for offset, stride in zip(offsets, strides, strict=True))
        if shift >= 0:  # every pair is seen from its later run
            continue
        first = np.searchsorted(runs.stop, runs.start + shift, "left")
        behind = np.searchsorted(runs.start, runs.stop + shift, "right")
        ones.append(np.repeat(np.arange(len(first)), np.maximum(behind - first, 0)))
        others.append(_voxels(first, np.maximum(behind, first)))
    one, other = np.concatenate(ones), np.concatenate(others)
    alike = runs.label[one] == runs.label[other]
    one, other = one[alike], other[alike]
    return coo_array((np.ones(len(one), bool), (one, other)), shape=(len(runs.start), len(runs.start)))


def _largest(runs: Runs, component: NDArray[Any], count: int) -> NDArray[np.bool_]:
    """(count,), whether a component is the largest of its class and sample; components are numbered in the order of their first runs."""
    sizes = np.bincount(component, runs.stop - runs.start, count)
    first = np.empty(count, np.int64)
    first[component[::-1]] = np.arange(len(component))[::-1]  # the last one written stays
    kind = runs.sample[first] * (int(runs.label.max(initial=0)) + 1) + runs.label[first]
    order = np.lexsort((np.arange(count), -sizes, kind))
    _, best = np.unique(kind[order], return_index=True)
    largest = np.zeros(count, bool)
    largest[order[best]] = True
    return largest


def _voxels(start: Indices, stop: Indices) -> Indices:
    """All numbers of all ranges, one range after another."""
    lengths = stop - start
    before = np.cumsum(lengths) - lengths
    return np.repeat(start - before, lengths) + np.arange(lengths.sum())
