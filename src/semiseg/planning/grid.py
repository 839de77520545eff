"""Chooses the grid that the network works on: 2D or 3D, and the size of a voxel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semiseg.data.resample import resampled_shape
from semiseg.networks.encoder_decoder import DIVISOR, LEVELS
from semiseg.planning.draft import Draft
from semiseg.planning.fingerprint import Fingerprint

ANISOTROPIC = 3.0
"""Longest side of a voxel over its shortest from which nnU-Net treats an axis apart (Isensee et al., Nature Methods 2021)."""
COARSE_PERCENTILE = 10
"""Of the voxel sizes along such an axis, the one that nnU-Net resamples to, so that finer scans lose less (same paper)."""
SAME_SPACING = 0.05
"""Relative difference up to which voxel sizes count as one: a third of what the augmentation scales by (0.15)."""
SLICES_LAST = 2
"""NIfTI's third axis: that of the slices in most acquisitions."""


@dataclass(frozen=True)
class Grid:
    """What the network will see of a typical scan.

    Attributes:
        dimensions: of the network, 2 or 3.
        shape: voxels of the median scan, of its slice in 2D, at the chosen voxel size.
        spacing: mm a voxel there; empty where not known.
    """

    dimensions: int
    shape: tuple[int, ...]
    spacing: tuple[float, ...]


def choose_grid(draft: Draft, found: Fingerprint) -> Grid:
    """Decide `preparation.slice_axis` and `preparation.spacing`. A patch that is set decides the dimensions, and counts files' voxels."""
    target = target_spacing(found.spacings)
    shape = median_shape(found, target)
    axis = choose_slices(draft, found, shape, target)
    axes = [k for k in range(found.dimensions) if k != axis]
    resized = draft.asked.preparation.resize
    if resized is not None and len(axes) == 2:
        return Grid(2, resized, ())
    spacing = choose_spacing(draft, found, [target[k] for k in axes] if target else [], axes)
    shape = median_shape(found, None if spacing is None else at_axes(target, axes, spacing))
    return Grid(len(axes), tuple(shape[k] for k in axes), tuple(spacing or median_spacing(found, axes)))


def target_spacing(spacings: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    """The median voxel size; along an axis more than `ANISOTROPIC` times as coarse as the finest, a low percentile. Empty if not known."""
    if not spacings:
        return ()
    every = np.array(spacings)
    target = np.median(every, axis=0)
    coarse = int(np.argmax(target))
    if target[coarse] > ANISOTROPIC * target.min():
        others = np.delete(target, coarse)
        target[coarse] = max(float(np.percentile(every[:, coarse], COARSE_PERCENTILE)), float(others.max()))
    return tuple(round(float(side), 4) for side in target)


def median_shape(found: Fingerprint, target: Sequence[float] | None) -> tuple[int, ...]:
    """Voxels of the median scan, at the voxel size `target` where there is one."""
    if not target or not found.spacings:
        return found.median_shape
    shapes = [resampled_shape(shape, spacing, target) for shape, spacing in zip(found.shapes, found.spacings, strict=True)]
    return tuple(int(side) for side in np.median(np.array(shapes), axis=0))


def median_spacing(found: Fingerprint, axes: Sequence[int]) -> list[float]:
    """The median voxel size of the files along `axes`; empty if not known."""
    return [float(np.median([spacing[k] for spacing in found.spacings])) for k in axes] if found.spacings else []


def at_axes(target: Sequence[float], axes: Sequence[int], spacing: Sequence[float]) -> list[float]:
    """`target` with the sizes along `axes` replaced."""
    whole = list(target) or [1.0] * (max(axes) + 1)
    for k, side in zip(axes, spacing, strict=True):
        whole[k] = side
    return whole


def choose_slices(draft: Draft, found: Fingerprint, shape: Sequence[int], target: Sequence[float]) -> int | None:
    """The axis of 3D scans to cut into slices for a 2D network, or None."""
    setting, patch = "preparation.slice_axis", draft.asked.training.patch
    if found.dimensions == 2 or len(patch) == 3:
        return None
    if draft.is_set(setting):
        draft.keep(setting)
        return int(draft.get(setting))
    reason = f"the patch has two sides and the scans have three: {AXIS_NAMES}" if len(patch) == 2 else why_slices(shape, target)
    return None if reason is None else int(draft.decide(setting, slice_axis(shape, target), reason))


AXIS_NAMES = "cut along the axis with the longest voxels or the fewest, else the third"


def why_slices(shape: Sequence[int], target: Sequence[float]) -> str | None:
    """Why a 3D scan should be cut into slices; None if it should not."""
    if target and max(target) > ANISOTROPIC * min(target):
        ratio = max(target) / min(target)
        return f"2D slices: voxels are {ratio:.1f} times as long along this axis, and the 3D network halves all sides alike"
    thin, *others = sorted(shape)
    if thin < DIVISOR and min(others) >= 2 * DIVISOR:
        return f"2D slices: the median scan has {thin} voxels along this axis, and the 3D network halves its sides {LEVELS - 1} times"
    return None


def slice_axis(shape: Sequence[int], target: Sequence[float]) -> int:
    """The axis with the longest voxels, or with far fewer voxels than the others; else the third."""
    if target and max(target) > 1.5 * sorted(target)[1]:
        return int(np.argmax(target))
    thin, other, _ = sorted(shape)
    return int(np.argmin(shape)) if 2 * thin <= other else SLICES_LAST


def choose_spacing(draft: Draft, found: Fingerprint, target: Sequence[float], axes: Sequence[int]) -> tuple[float, ...] | None:
    """The voxel size to resample to along `axes`, or None for that of the files."""
    setting = "preparation.spacing"
    if draft.is_set(setting):
        draft.keep(setting)
        given: tuple[float, ...] | None = draft.get(setting)
        return given if given is None or len(given) == len(axes) else tuple(given[k] for k in axes)
    if draft.is_set("training.patch"):
        return None  # it counts voxels of the files
    if not target:
        draft.decide(setting, None, "as in the files: they do not say how large a voxel is")
        return None
    size = " x ".join(f"{side:g}" for side in target)
    differences = [abs(spacing[k] / side - 1) for spacing in found.spacings for k, side in zip(axes, target, strict=True)]
    if max(differences) <= SAME_SPACING:
        draft.decide(setting, None, f"as in the files: all voxels are {size} mm, to {SAME_SPACING:.0%}")
        return None
    finest, coarsest = ([f(spacing[k] for spacing in found.spacings) for k in axes] for f in (min, max))
    ranges = ", ".join(f"{low:.3g} to {high:.3g}" for low, high in zip(finest, coarsest, strict=True))
    coarse = f", {COARSE_PERCENTILE}th percentile along a coarse axis" if len(axes) == 3 and max(target) > ANISOTROPIC * min(target) else ""
    return tuple(draft.decide(setting, tuple(target), f"the median{coarse}: voxels of the files are {ranges} mm along the axes"))
