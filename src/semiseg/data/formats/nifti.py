"""NIfTI files (.nii, .nii.gz): voxels in the file's own axis order, and the geometry, read and written back."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np

from semiseg.case import Array, Geometry
from semiseg.data.formats.common import checked_affine, one_line, squeezed
from semiseg.errors import DataError

SUFFIXES = (".nii", ".nii.gz")


def read_header(path: Path) -> tuple[tuple[int, ...], Geometry]:
    """Shape and geometry, without the voxels."""
    image = _open(path)
    return squeezed(image.shape), _geometry(image, path)


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
    return voxels.reshape(squeezed(voxels.shape)), _geometry(image, path)


def read_label(path: Path) -> tuple[Array, Geometry]:
    """As `read_image`: a label map is stored like any other image."""
    return read_image(path)


def write_label(path: Path, labels: Array, geometry: Geometry) -> None:
    """Write an integer array; the qform and the sform both hold `geometry.affine`, under the codes that were read.

    (A qform cannot hold a shear; the sform does.) A geometry that is not known is written as none: no codes, no unit.
    """
    import nibabel

    image: Any = nibabel.Nifti1Image(labels, geometry.affine)
    if geometry.known:
        image.header.set_xyzt_units("mm")
    codes = geometry.codes if geometry.known else (0, 0)
    image.set_qform(geometry.affine, code=codes[0])
    image.set_sform(geometry.affine, code=codes[1])
    nibabel.save(image, path)


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
    header = image.header
    codes = (int(header["qform_code"]), int(header["sform_code"]))
    silent = codes == (0, 0) and int(header["xyzt_units"]) == 0 and set(header.get_zooms()) == {1}
    return Geometry(checked_affine(np.asarray(image.affine, dtype=np.float64), path), codes, known=not silent)
