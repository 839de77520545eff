"""NIfTI files (.nii, .nii.gz): voxels in the file's own axis order, and the geometry, read and written back."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from semiseg.case import Array, Geometry
from semiseg.data.formats.common import describe, one_line, suffix
from semiseg.errors import DataError

SUFFIXES = (".nii", ".nii.gz")


def read_header(path: Path) -> tuple[tuple[int, ...], Geometry]:
    """Shape and geometry, without the voxels."""
    image = _open(path)
    return _squeezed(image.shape), _geometry(image, path)


def read_image(path: Path) -> tuple[Array, Geometry]:
    """Voxels as stored (scaled where the header says so), and the geometry."""
    import nibabel

    image = _open(path)
    try:
        voxels = np.asanyarray(image.dataobj)
    except (OSError, EOFError, ValueError, zlib.error, nibabel.filebasedimages.ImageFileError) as error:
        raise DataError(
            f"{path}: cannot be read to its end ({one_line(error)}). The file is cut short or damaged: copy or export it again."
        ) from error
    return voxels.reshape(_squeezed(voxels.shape)), _geometry(image, path)


def read_label(path: Path) -> tuple[Array, Geometry]:
    """As `read_image`: a label map is stored like any other image."""
    return read_image(path)


def write_label(path: Path, labels: Array, geometry: Geometry) -> None:
    """Write class numbers as uint8 (int16 where they do not fit), complete or not at all.

    Both the qform and the sform hold `geometry.affine`, under the codes that were read (a qform cannot hold a shear; the sform does).

    Raises:
        DataError: the file name is not one of NIfTI, or a value does not fit int16.
    """
    import nibabel

    if suffix(path) not in SUFFIXES:
        raise DataError(f"{path}: masks are written as NIfTI; expected a name that ends with {' or '.join(SUFFIXES)}.")
    image: Any = nibabel.Nifti1Image(labels.astype(_label_type(labels, path)), geometry.affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(geometry.affine, code=geometry.codes[0])
    image.set_sform(geometry.affine, code=geometry.codes[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        nibabel.save(image, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _open(path: Path) -> Any:
    import nibabel

    try:
        return nibabel.load(path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file.") from error
    except (
        OSError,
        EOFError,
        ValueError,
        zlib.error,
        nibabel.filebasedimages.ImageFileError,
        nibabel.spatialimages.HeaderDataError,
    ) as error:
        raise DataError(f"{path}: is not a readable NIfTI file ({one_line(error)}). Copy or export it again.") from error


def _geometry(image: Any, path: Path) -> Geometry:
    affine = np.asarray(image.affine, dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:  # a voxel of less than (0.1 um)^3
        raise DataError(f"{path}: the header places voxels nowhere (affine {affine[:3].tolist()}). Export it again with a valid spacing.")
    return Geometry(affine, codes=(int(image.header["qform_code"]), int(image.header["sform_code"])))


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Without trailing axes of length 1 beyond the third, which many exporters add for time and channel."""
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _label_type(labels: Array, path: Path) -> type[np.integer[Any]]:
    low, high = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    if low >= 0 and high <= np.iinfo(np.uint8).max:
        return np.uint8
    if low < np.iinfo(np.int16).min or high > np.iinfo(np.int16).max:
        raise DataError(f"{describe(path)}: label values {low}..{high} do not fit 16 bits.")
    return np.int16
