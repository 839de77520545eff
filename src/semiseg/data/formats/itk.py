"""NRRD and MetaImage files (.nrrd, .mha, .mhd) through SimpleITK, its LPS axes turned into our RAS and back.

SimpleITK and not a reader of NRRD alone, because it reads both families, all of their encodings and detached headers, and a header
without its voxels; and because most programs that write these files are built on it, so that there is no second opinion on geometry.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from semiseg.case import Array, Geometry
from semiseg.data.formats.common import checked_affine, one_line, squeezed
from semiseg.errors import DataError

SUFFIXES = (".nrrd", ".mha", ".mhd")
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""DICOM's and ITK's axes point left and to the back, NIfTI's right and to the front."""


def read_header(path: Path) -> tuple[tuple[int, ...], Geometry]:
    """Shape and geometry, without the voxels."""
    reader = _opened(path)
    return squeezed(tuple(reader.GetSize())), _geometry(reader, path)


def read_image(path: Path) -> tuple[Array, Geometry]:
    """Voxels as stored, first axis first, and the geometry."""
    reader = _opened(path)
    try:
        voxels = _simpleitk(path).GetArrayFromImage(reader.Execute()).T
    except RuntimeError as error:
        raise DataError(
            f"{path}: cannot be read to its end ({_reason(error)}). The file is cut short or damaged: copy or export it again."
        ) from error
    return voxels.reshape(squeezed(voxels.shape)), _geometry(reader, path)


def read_label(path: Path) -> tuple[Array, Geometry]:
    """As `read_image`: a label map is stored like any other image."""
    return read_image(path)


def write_label(path: Path, labels: Array, geometry: Geometry) -> None:
    """Write an integer array, compressed, on the grid of `geometry`."""
    simpleitk = _simpleitk(path)
    axes = labels.ndim
    affine = LPS_TO_RAS @ geometry.affine
    spacing = np.linalg.norm(affine[:axes, :axes], axis=0)
    image = simpleitk.GetImageFromArray(np.ascontiguousarray(labels.T))
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(affine[:axes, 3].tolist())
    image.SetDirection((affine[:axes, :axes] / spacing).ravel().tolist())
    simpleitk.WriteImage(image, str(path), useCompression=True)


def _opened(path: Path) -> Any:
    """A reader that has read the header."""
    simpleitk = _simpleitk(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file.")
    reader = simpleitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise DataError(f"{path}: is not a readable {path.suffix} file ({_reason(error)}). Copy or export it again.") from error
    if reader.GetNumberOfComponents() != 1:
        raise DataError(f"{path}: has {reader.GetNumberOfComponents()} numbers a voxel; expected one. Save each as a file of its own.")
    return reader


def _geometry(reader: Any, path: Path) -> Geometry:
    axes = min(reader.GetDimension(), 3)
    direction = np.array(reader.GetDirection()).reshape(reader.GetDimension(), -1)[:axes, :axes]
    affine = np.eye(4)
    affine[:axes, :axes] = direction * np.array(reader.GetSpacing()[:axes])
    affine[:axes, 3] = reader.GetOrigin()[:axes]
    return Geometry(checked_affine(LPS_TO_RAS @ affine, path))


def _simpleitk(path: Path) -> Any:
    try:
        import SimpleITK
    except ImportError as error:
        raise DataError(f"{path}: {path.suffix} files need SimpleITK. Install it, in a clone of semiseg: pip install '.[itk]'.") from error
    return SimpleITK


def _reason(error: RuntimeError) -> str:
    """ITK's own sentence: the last of many lines on where in its code it was."""
    return one_line(RuntimeError(str(error).strip().splitlines()[-1]))
