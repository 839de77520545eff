"""What every file format shares: names of cases, and the checks that voxels must pass."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from semiseg.case import Array, Source
from semiseg.errors import DataError

COMPOUND_SUFFIXES = (".nii.gz",)


def suffix(path: Path) -> str:
    """The suffix that decides the format, in lower case: `.nii.gz` counts as one."""
    name = path.name.lower()
    return next((s for s in COMPOUND_SUFFIXES if name.endswith(s)), path.suffix.lower())


def case_name(path: Path) -> str:
    """The file's name without its format, `a/scan.01.nii.gz` -> `scan.01`; of a folder (a DICOM series) all of it."""
    return path.name if path.is_dir() else path.name[: len(path.name) - len(suffix(path))]


def describe(source: Source) -> str:
    """How an error message names a source."""
    return f"array of shape {source.shape}" if isinstance(source, np.ndarray) else str(source)


def one_line(error: Exception) -> str:
    """What a library says went wrong, on one line."""
    return " ".join(str(error).split()).rstrip(".")


@contextmanager
def complete_or_not_at_all(path: Path) -> Iterator[Path]:
    """A file to write beside `path`, which takes its place when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Without trailing axes of length 1 beyond the third, which many exporters add for time and channel."""
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def checked_affine(affine: Array, path: Path) -> Array:
    """The affine, if it places voxels somewhere.

    Raises:
        DataError: it is not finite, or flat.
    """
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:  # a voxel of less than (0.1 um)^3
        raise DataError(f"{path}: the header places voxels nowhere (affine {affine[:3].tolist()}). Export it again with a valid spacing.")
    return affine


def checked_shape(shape: tuple[int, ...], source: Source) -> tuple[int, ...]:
    """`shape`, if it is that of one 2D or 3D scan.

    Raises:
        DataError: a side is 0, or there are other than 2 or 3 axes.
    """
    if 0 in shape:
        raise DataError(f"{describe(source)}: holds no voxels (shape {shape}). Export it again, or leave it out.")
    if len(shape) not in (2, 3):
        raise DataError(
            f"{describe(source)}: {len(shape)} axes {shape}; expected 2 or 3. Save each channel or time point as a file of its own."
        )
    return shape


def checked_image(array: Array, source: Source) -> Array:
    """The voxels as float32.

    Raises:
        DataError: they are not real numbers, are NaN or infinite, or do not make a 2D or 3D scan.
    """
    checked_shape(array.shape, source)
    if array.dtype.kind not in "biuf":
        raise DataError(
            f"{describe(source)}: voxels are of type {array.dtype}; expected one real number a voxel. Convert it to grey values."
        )
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, and is reported below
        image = np.asarray(array, dtype=np.float32)
    bad = image.size - int(np.isfinite(image).sum())
    if bad and np.isfinite(array).all():
        raise DataError(
            f"{describe(source)}: {bad} of {image.size} voxels are beyond the numbers of 32 bits ({array.dtype}, up to "
            f"{np.abs(array).max():.3g}). Was it saved with a wrong scale? Export it again."
        )
    if bad:
        raise DataError(
            f"{describe(source)}: {bad} of {image.size} voxels are NaN or infinite. Replace them (with 0, say), or leave the scan out."
        )
    return image


def checked_label(array: Array, source: Source) -> Array:
    """The label map as integers (uint8 where the file holds bytes or truth values; otherwise as in the file, or int64 from whole floats).

    Raises:
        DataError: values are not whole numbers, or the shape is not that of a 2D or 3D scan.
    """
    checked_shape(array.shape, source)
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind in "iu":
        return array
    whole = array.dtype.kind == "f" and bool(np.isfinite(array).all()) and bool((array == np.rint(array)).all())
    if not whole:
        raise DataError(f"{describe(source)}: label values of type {array.dtype} are not whole numbers; expected one class number a voxel.")
    return array.astype(np.int64)


def smallest_type(labels: Array, path: Path) -> type[np.integer[Any]]:
    """uint8, or int16 where the values of a label map do not fit.

    Raises:
        DataError: they do not fit int16 either.
    """
    low, high = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    if low >= 0 and high <= np.iinfo(np.uint8).max:
        return np.uint8
    if low < np.iinfo(np.int16).min or high > np.iinfo(np.int16).max:
        raise DataError(f"{path}: label values {low}..{high} do not fit 16 bits.")
    return np.int16
