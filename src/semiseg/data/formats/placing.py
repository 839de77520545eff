"""A label map laid on the grid of its scan by where it lies: axes in another order, flipped, or slices left out."""

from __future__ import annotations

import numpy as np

from semiseg.case import Array, Geometry

OFF_PLACE = 0.1
"""Voxels by which the corners of two grids may differ where they are meant to be one: positions are written rounded."""


def placed(labels: Array, geometry: Geometry, shape: tuple[int, ...], grid: Geometry) -> Array | None:
    """`labels` on another grid that runs through the same points: 0 where they say nothing.

    Args:
        labels: (*L) class numbers.
        geometry: of `labels`.
        shape: of the other grid, with as many axes.
        grid: where it lies.

    Returns:
        (*shape), or None where the grids are not the same points, or a label other than 0 lies outside.
    """
    if labels.ndim != len(shape):  # a slice is a volume of one
        volume = placed(_volume(labels), geometry, (*shape, 1)[:3], grid)
        return None if volume is None else volume.reshape(shape)
    axes = labels.ndim
    between = np.linalg.inv(grid.affine) @ geometry.affine  # index in labels -> index on the grid
    for axis in (k for k, size in enumerate(labels.shape) if size == 1):  # how far the next one would be does not matter
        between[:, axis] /= np.linalg.norm(between[:axes, axis])
    turn, offset = np.rint(between[:axes, :axes]).astype(int), np.rint(between[:axes, 3]).astype(int)
    corners = np.array(np.meshgrid(*[(0, size - 1) for size in labels.shape], indexing="ij")).reshape(axes, -1)
    off = between[:axes, :axes] @ corners + between[:axes, 3:4] - (turn @ corners + offset[:, None])
    if (np.abs(turn).sum(0) != 1).any() or (np.abs(turn).sum(1) != 1).any() or np.abs(off).max() > OFF_PLACE:
        return None
    source = np.abs(turn).argmax(1)  # axis of labels for each axis of the grid
    signs = turn[np.arange(axes), source]
    turned = np.transpose(labels, source)[tuple(slice(None, None, int(sign)) for sign in signs)]
    first = (turn @ corners + offset[:, None]).min(1)  # on the grid, of the turned labels
    result = np.zeros(shape, labels.dtype)
    inside = [(max(start, 0), min(start + length, size)) for start, length, size in zip(first, turned.shape, shape, strict=True)]
    if any(low >= high for low, high in inside):
        return None if labels.any() else result
    kept = turned[tuple(slice(low - start, high - start) for (low, high), start in zip(inside, first, strict=True))]
    if np.count_nonzero(kept) != np.count_nonzero(labels):
        return None
    result[tuple(slice(low, high) for low, high in inside)] = kept
    return result


def _volume(labels: Array) -> Array:
    return labels.reshape((*labels.shape, 1)[:3])
