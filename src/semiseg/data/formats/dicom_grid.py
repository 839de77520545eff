"""Where the slices of a DICOM series lie: sorted along their normal, and refused where they do not make one even grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from semiseg.case import Array, Geometry
from semiseg.data.formats.common import checked_affine
from semiseg.errors import DataError

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""DICOM's axes point left and to the back, NIfTI's right and to the front."""
SCANNER = (1, 1)
"""NIfTI's codes for positions in the scanner's own axes."""
FEWEST = 3
"""Of two slices nobody can tell whether one between them is missing."""
SAME_PLACE = 1e-3
"""mm: closer than any two slices lie, and far above the rounding of a written position."""
SAME_DIRECTION = 1e-3
"""Of a direction cosine: a slice that differs by so much is off by a tenth of a voxel, 100 voxels away."""
OFF_PLACE = 0.1
"""Voxels by which a slice may lie off the even grid: positions are written rounded."""
MOST_TILT = 1.0
"""Degrees between the stack's axis and the normal of its slices. Beyond it the grid is sheared: a tilted gantry."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of a series.

    Attributes:
        file: that holds it.
        index: which of the file's frames it is, from 0.
        shape: columns, rows.
        position: (3,) mm, the centre of its first voxel, in DICOM's axes; None where the file does not say.
        orientation: (2, 3), the directions in which columns and rows are counted.
        spacing: mm from column to column, and from row to row; None where the file does not say.
        values: the data set that says what stored numbers mean.
        negative: None, or the number from which stored ones are to be subtracted, where the file is darkest at the highest (MONOCHROME1).
    """

    file: Path
    index: int
    shape: tuple[int, int]
    position: Array | None
    orientation: Array | None
    spacing: tuple[float, float] | None
    values: Any
    negative: int | None = None


def ordered(frames: Sequence[Frame], name: str) -> list[Frame]:
    """Frames sorted along their normal (of columns and rows, by the right hand), checked to be one even grid.

    Args:
        frames: at least one.
        name: of the series, for messages.

    Raises:
        DataError: sizes, orientations or voxel sizes differ, positions are missing, shared, too few, sheared or uneven.
    """
    if len(frames) == 1:
        return list(frames)
    refuse_unlike(frames, name)
    stack = [frames[k] for k in np.argsort(heights(frames), kind="stable")]
    _refuse_shared_places(stack, name)
    if len(stack) < FEWEST:
        raise DataError(
            f"{name}: has {len(stack)} slices, too few for a volume; expected {FEWEST} or more, "
            "since two do not tell whether one between them is missing. Export the whole series."
        )
    _refuse_tilt(stack, name)
    _refuse_uneven(stack, name)
    return stack


def shape_of(stack: Sequence[Frame]) -> tuple[int, ...]:
    """Columns, rows and, of more than one frame, slices."""
    return stack[0].shape if len(stack) == 1 else (*stack[0].shape, len(stack))


def geometry(stack: Sequence[Frame], slices: int | None = None, distance: float = 1.0) -> Geometry:
    """Of frames in the order of their places. One without a position lies at the origin; without a voxel size nothing is known.

    Args:
        stack: the frames, or the first and the last.
        slices: how many slices there are from the first to the last, by default the number of frames.
        distance: mm from slice to slice where there is one alone.
    """
    first = stack[0]
    if first.spacing is None:
        return Geometry(known=False)
    if first.position is None or first.orientation is None:
        return Geometry.from_spacing(first.spacing)
    affine = np.eye(4)
    affine[:3, :2] = first.orientation.T * first.spacing
    affine[:3, 2] = _step(stack, slices or len(stack)) if len(stack) > 1 else normal_of(first) * distance
    affine[:3, 3] = first.position
    return Geometry(checked_affine(LPS_TO_RAS @ affine, first.file), SCANNER)


def heights(frames: Sequence[Frame]) -> Array:
    """mm of each frame along the normal of the first. (frames,)"""
    return np.array([np.dot(normal_of(frames[0]), _place(frame)) for frame in frames])


def refuse_unlike(frames: Sequence[Frame], name: str) -> None:
    """Raises DataError where sizes, orientations or voxel sizes differ, or a frame has no place."""
    sizes = sorted({frame.shape for frame in frames})
    if len(sizes) > 1:
        known = ", ".join(f"{columns} x {rows}" for columns, rows in sizes)
        raise DataError(f"{name}: slices have different sizes ({known}). Keep the slices of one size, each series in its own folder.")
    lost = [frame for frame in frames if frame.position is None or frame.orientation is None or frame.spacing is None]
    if lost:
        raise DataError(
            f"{name}: {len(lost)} of {len(frames)} images do not say where they lie (first: {lost[0].file.name}). "
            "Without ImagePositionPatient, ImageOrientationPatient and PixelSpacing they make no volume: give each a folder of its own."
        )
    orientations = _distinct([np.ravel(np.asarray(frame.orientation)) for frame in frames], SAME_DIRECTION)
    if orientations > 1:
        raise DataError(
            f"{name}: slices have {orientations} orientations: a localizer, or several stacks in one series. "
            "Leave a localizer out; put each stack into a folder of its own."
        )
    spacings = [np.array(frame.spacing) for frame in frames]
    if _distinct(spacings, SAME_PLACE) > 1:
        raise DataError(f"{name}: slices have different voxel sizes ({spacings[0]} mm and others). Give each kind a folder of its own.")


def normal_of(frame: Frame) -> Array:
    """The direction from slice to slice: of columns and rows, by the right hand. (3,)"""
    assert frame.orientation is not None
    normal = np.cross(*frame.orientation)
    return np.asarray(normal / np.linalg.norm(normal))


def _place(frame: Frame) -> Array:
    assert frame.position is not None
    return frame.position


def _step(stack: Sequence[Frame], slices: int) -> Array:
    """mm from slice to slice. (3,)"""
    step: Array = (_place(stack[-1]) - _place(stack[0])) / (slices - 1)
    return step


def _distinct(values: Sequence[Array], tolerance: float) -> int:
    """How many of the vectors differ by more than `tolerance` in some number."""
    kinds: list[Array] = []
    for value in values:
        if not any(np.abs(value - kind).max() <= tolerance for kind in kinds):
            kinds.append(value)
    return len(kinds)


def _refuse_shared_places(stack: Sequence[Frame], name: str) -> None:
    shared = np.flatnonzero(np.diff(heights(stack)) < SAME_PLACE)
    if len(shared):
        k = int(shared[0])
        raise DataError(
            f"{name}: several images lie at one place ({len(stack)} images at {len(stack) - len(shared)} places; "
            f"{_label(stack[k])} and {_label(stack[k + 1])}): time points, echoes or copies. Put each volume into a folder of its own."
        )


def _refuse_tilt(stack: Sequence[Frame], name: str) -> None:
    step, normal = _step(stack, len(stack)), normal_of(stack[0])
    tilt = float(np.degrees(np.arccos(min(1.0, abs(np.dot(step, normal)) / np.linalg.norm(step)))))
    if tilt > MOST_TILT:
        raise DataError(
            f"{name}: slices are shifted against each other, by a gantry tilt of {tilt:.1f} degrees: the voxels are no boxes. "
            "Resample the series to a straight grid first, for instance with dcm2niix, and use the NIfTI file that it makes."
        )


def _refuse_uneven(stack: Sequence[Frame], name: str) -> None:
    """Slices may lie off the straight line of even steps that fits all of them best by a tenth of a voxel, along the stack and across."""
    first, normal = stack[0], normal_of(stack[0])
    assert first.spacing is not None
    steps, places = np.arange(len(stack)), np.array([_place(frame) for frame in stack])
    step, start = np.polyfit(steps, places, 1)
    off = places - start - steps[:, None] * step  # (slices, 3)
    along = np.abs(off @ normal)
    across = np.linalg.norm(off - np.outer(off @ normal, normal), axis=1)
    gaps = np.diff(places @ normal)
    usual = float(np.median(gaps))
    if along.max() > OFF_PLACE * np.linalg.norm(step):
        k = int(gaps.argmax())
        where = f"between {_label(stack[k])} and {_label(stack[k + 1])} lie {gaps[k]:.4g} mm, where {usual:.4g} mm is usual"
        if are_steps(gaps / usual):
            raise DataError(f"{name}: slices are missing: {where}. Export the whole series, or only the slices on one side of the gap.")
        raise DataError(
            f"{name}: slices are spaced unevenly: {where}. Resample the series to even spacing, and use the file that it gives."
        )
    if across.max() > OFF_PLACE * min(first.spacing):
        k = int(across.argmax())
        raise DataError(f"{name}: {_label(stack[k])} is shifted sideways by {across[k]:.3g} mm. Export the series again, or leave it out.")


def are_steps(gaps: Array) -> bool:
    """Whether gaps, in slices, are whole numbers of them."""
    steps = np.rint(gaps)
    return bool(steps.min() >= 1 and np.abs(gaps - steps).max() <= 2 * OFF_PLACE)  # both ends may be off


def _label(frame: Frame) -> str:
    return frame.file.name if frame.index == 0 else f"{frame.file.name} frame {frame.index + 1}"
