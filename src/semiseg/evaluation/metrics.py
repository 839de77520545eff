"""Overlap and surface-distance scores of one segmentation against its reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from semiseg.case import IGNORE

Mask = NDArray[np.bool_]
Distances = NDArray[np.float64]
Status = Literal["ok", "empty prediction", "empty reference", "both empty", "missing prediction"]
"""`missing prediction`: there was no prediction to score. Only with `ok` are there distances."""

NO_DISTANCES = (math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class ClassScore:
    """How one class of one case was segmented. What is undefined is nan, never 0.

    Attributes:
        name: the class.
        status: whether both masks hold voxels; distances exist only where it is `ok`.
        dice: 2 |P and R| / (|P| + |R|); 0 where one mask is empty, nan where both are.
        jaccard: |P and R| / |P or R|; as `dice`.
        hd95_voxel, hd95_mm: 95th percentile of the distances of both directions, pooled (MedPy's `hd95`, the field's number).
        asd_voxel, asd_mm: mean distance from the prediction's surface to the reference's, one way (MedPy's `asd`).
        assd_voxel, assd_mm: mean of the distances of both directions, pooled (MedPy's `assd` from 0.5).
        prediction_voxels, reference_voxels: sizes of the masks.
        prediction_volume, reference_volume: the same in mm^3 (mm^2 in 2D).
        ignored_voxels: of the case, left out on both sides because nobody labelled them in the reference.

    All mm values are nan where the spacing is unknown.
    """

    name: str
    status: Status
    dice: float
    jaccard: float
    hd95_voxel: float
    asd_voxel: float
    assd_voxel: float
    hd95_mm: float
    asd_mm: float
    assd_mm: float
    prediction_voxels: int
    reference_voxels: int
    prediction_volume: float
    reference_volume: float
    ignored_voxels: int = 0


def scores(
    prediction: NDArray[Any], reference: NDArray[Any], classes: Sequence[str], spacing: tuple[float, ...] | None = None
) -> list[ClassScore]:
    """Scores of every foreground class of two label maps (*S): label i + 1 is `classes[i]`, 0 is background.

    Voxels where the reference is `IGNORE` are left out.
    """
    ignored = reference == IGNORE
    left_out = ignored if ignored.any() else None
    return [class_scores(prediction == i, reference == i, spacing, name, left_out) for i, name in enumerate(classes, start=1)]


def class_scores(
    prediction: NDArray[Any],
    reference: NDArray[Any],
    spacing: tuple[float, ...] | None = None,
    name: str = "foreground",
    ignored: Mask | None = None,
) -> ClassScore:
    """Scores of one boolean mask (*S) against another, in any number of dimensions.

    Args:
        prediction: the mask to judge.
        reference: the mask that is taken for true.
        spacing: mm a voxel along each axis, or None where it is unknown.
        name: the class that the masks show.
        ignored: (*S), voxels that are left out of both masks. A mask's surface is where it meets what is known to be outside of it:
            where it meets ignored voxels, nobody knows. So there are no distances where the masks meet nothing else.

    Raises:
        ValueError: the shapes differ, or `spacing` is not one positive number an axis.
    """
    _check(prediction, reference, spacing)
    left_out = 0 if ignored is None else int(ignored.sum())
    prediction, reference, ignored = _crop(prediction.astype(bool, copy=False), reference.astype(bool, copy=False), ignored)
    in_prediction, in_reference = int(prediction.sum()), int(reference.sum())
    common, both = int((prediction & reference).sum()), in_prediction + in_reference
    status = _status(in_prediction, in_reference)
    in_voxels, in_mm = _distances(prediction, reference, spacing, ignored) if status == "ok" else (NO_DISTANCES, NO_DISTANCES)
    voxel_volume = math.nan if spacing is None else math.prod(spacing)
    return ClassScore(
        name,
        status,
        2 * common / both if both else math.nan,
        common / (both - common) if both else math.nan,
        *in_voxels,
        *in_mm,
        in_prediction,
        in_reference,
        in_prediction * voxel_volume,
        in_reference * voxel_volume,
        left_out,
    )


def _check(prediction: NDArray[Any], reference: NDArray[Any], spacing: tuple[float, ...] | None) -> None:
    if prediction.shape != reference.shape:
        raise ValueError(f"prediction has shape {prediction.shape}, reference {reference.shape}")
    if spacing is not None and (len(spacing) != prediction.ndim or not all(0 < s < math.inf for s in spacing)):
        raise ValueError(f"spacing is {spacing}; expected {prediction.ndim} positive numbers of mm")


def _status(in_prediction: int, in_reference: int) -> Status:
    if in_prediction and in_reference:
        return "ok"
    if in_reference:
        return "empty prediction"
    return "empty reference" if in_prediction else "both empty"


def _crop(prediction: Mask, reference: Mask, ignored: Mask | None) -> tuple[Mask, Mask, Mask | None]:
    """All cut to the box around the union of the masks, and out of these what is ignored.

    `_surface` counts all outside of the box as background, so it has a margin only where some of that is ignored.
    """
    if ignored is not None:
        prediction, reference = prediction & ~ignored, reference & ~ignored
    union, margin = prediction | reference, int(ignored is not None)
    box = []
    for axis in range(union.ndim):
        filled = np.flatnonzero(union.any(axis=tuple(a for a in range(union.ndim) if a != axis)))
        box.append(slice(max(filled[0] - margin, 0), filled[-1] + 1 + margin) if filled.size else slice(0, 0))
    place = tuple(box)
    return prediction[place], reference[place], None if ignored is None else ignored[place]


def _surface(mask: Mask, ignored: Mask | None) -> Mask:
    """The voxels that an erosion with the face-neighbour element removes; at the border of the array, all; at ignored voxels, none.

    Shifted slices take about a fifth of the time of `scipy.ndimage.binary_erosion`.
    """
    filled = mask if ignored is None else mask | ignored
    padded = np.pad(filled, 1)
    inside = filled.copy()
    for axis, size in enumerate(mask.shape):
        for start in (0, 2):
            window = [slice(1, -1)] * mask.ndim
            window[axis] = slice(start, start + size)
            inside &= padded[tuple(window)]
    return mask & ~inside


def _distances(
    prediction: Mask, reference: Mask, spacing: tuple[float, ...] | None, ignored: Mask | None
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """(HD95, ASD, ASSD) in voxels and in mm of two masks that both hold voxels; undefined where one has no known surface."""
    surfaces = _surface(prediction, ignored), _surface(reference, ignored)
    if not all(surface.any() for surface in surfaces):
        return NO_DISTANCES, NO_DISTANCES
    voxels = _surface_distances(*surfaces, (1.0,) * prediction.ndim)
    in_voxels = _summarize(*voxels)
    if spacing is None:
        return in_voxels, NO_DISTANCES
    if len(set(spacing)) == 1:  # the nearest voxel is the same one
        hd95, asd, assd = in_voxels
        return in_voxels, (hd95 * spacing[0], asd * spacing[0], assd * spacing[0])
    return in_voxels, _summarize(*_surface_distances(*surfaces, spacing))


def _surface_distances(prediction: Mask, reference: Mask, spacing: tuple[float, ...]) -> tuple[Distances, Distances]:
    """From each voxel of one surface to the nearest of the other: prediction to reference, and back."""
    return _directed(prediction, reference, spacing), _directed(reference, prediction, spacing)


def _directed(start: Mask, target: Mask, spacing: tuple[float, ...]) -> Distances:
    """Distance (N,) from each voxel of `start` to the nearest voxel of `target`; those on both (distance 0) come last.

    A tree over surface voxels was 3 to 18 times faster than a distance transform of the cropped volume, on six pairs of left atria.
    """
    distances = np.zeros(np.count_nonzero(start))
    away = np.argwhere(start & ~target) * spacing
    tree = cKDTree(np.argwhere(target) * spacing, balanced_tree=False)
    distances[: len(away)] = tree.query(away)[0]
    return distances


def _summarize(forth: Distances, back: Distances) -> tuple[float, float, float]:
    pooled = np.concatenate([forth, back])
    return float(np.percentile(pooled, 95)), float(forth.mean()), float(pooled.mean())
