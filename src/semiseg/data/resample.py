"""Brings a scan to another voxel size, along its own axes and between its own borders: images linearly, labels by the nearest voxel.

A voxel is a box, and the outer faces of the first and last boxes stay where they are. So voxel j of n new ones lies around
(j + 0.5) * size / n - 0.5 of `size` old ones, a scan and its label move together, and the way back is the same rule. The new voxels
are as near to the size asked for as a whole number of them can be.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from semiseg.case import Array
from semiseg.errors import SettingsError

MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


def resampled_shape(
    shape: Sequence[int], spacing: Sequence[float], target: Sequence[float], slice_axis: int | None = None
) -> tuple[int, ...]:
    """The shape (*S) of a scan at another voxel size; at least one voxel along each axis.

    Args:
        shape, spacing: of the scan, voxels and mm a voxel along each axis.
        target: mm a voxel along each axis; for a 3D scan that is cut into slices, two numbers are for the axes of a slice.
        slice_axis: the axis that is cut.

    Raises:
        SettingsError: `target` is for another number of axes.
    """
    wanted = list(target)
    if slice_axis is not None and len(shape) == 3 and len(wanted) == 2:
        wanted.insert(slice_axis, spacing[slice_axis])
    if len(wanted) != len(shape):
        raise SettingsError(
            f"preparation.spacing {tuple(target)}: has {len(target)} numbers, and the scan {len(shape)} axes. Give one for each axis"
            " (or, for slices of a 3D scan, for the two axes of a slice)."
        )
    return tuple(max(round(side * own / new), 1) for side, own, new in zip(shape, spacing, wanted, strict=True))


def resample_image(image: Array, shape: Sequence[int]) -> Array:
    """An image (C, *S) at another shape, linearly, float32; along an axis that keeps its size, voxels keep their values."""
    if image.shape[1:] == tuple(shape):
        return image
    resampled = np.empty((len(image), *shape), np.float32)
    for channel, out in zip(image, resampled, strict=True):  # one at a time: PyTorch works on a copy
        turned = channel.flags.f_contiguous and not channel.flags.c_contiguous  # its transpose needs none
        source = torch.from_numpy(np.ascontiguousarray(channel.T if turned else channel))[None, None]
        size = tuple(reversed(shape)) if turned else tuple(shape)
        found = F.interpolate(source, size=size, mode=MODES[len(shape)], align_corners=False)[0, 0].numpy()
        out[...] = found.T if turned else found
    return resampled


def resample_label(label: Array, shape: Sequence[int]) -> Array:
    """A label map (*S) at another shape: each voxel takes the value of the old voxel that its middle lies in."""
    for axis, (size, new_size) in enumerate(zip(label.shape, shape, strict=True)):
        if size != new_size:
            label = np.take(label, covering(size, new_size), axis=axis)
    return label


def covering(size: int, new_size: int) -> Array:
    """Which of `size` voxels the middle of each of `new_size` lies in; on a border, the later one."""
    index: Array = (2 * np.arange(new_size, dtype=np.int64) + 1) * size // (2 * new_size)
    return index


def nearest(size: int, new_size: int) -> Array:
    """Which of `size` samples each of `new_size` takes: nearest neighbour with the corners on the corners (scipy's `zoom` of order 0)."""
    step = (size - 1) / (new_size - 1) if new_size > 1 else 0.0
    index: Array = np.floor(np.arange(new_size) * step + 0.5).astype(np.int64)
    return index
