"""DICOM scans: a series in a folder of slices, or in one file with many frames, as voxels (columns, rows, slices) and their place.

The order of the axes, and the direction in which slices are counted, are those of ITK, so that a label drawn on the series in a program
that is built on it (3D Slicer, ITK-SNAP) lies on the same grid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from semiseg.case import Array, Geometry
from semiseg.data.formats.dicom_files import SUFFIXES, TAGS, file_of, files_in, is_dicom, library, read_dataset, readable, series_of
from semiseg.data.formats.dicom_grid import Frame, geometry, ordered, shape_of
from semiseg.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["SUFFIXES", "files_of", "frame_groups", "frames_of", "is_dicom", "patient", "read_header", "read_image", "stack_of"]

SPACINGS = ("PixelSpacing", "ImagerPixelSpacing")
"""In the patient, and on the detector of an X-ray."""


def read_header(path: Path) -> tuple[tuple[int, ...], Geometry]:
    """Shape and geometry out of the headers of all slices, without the voxels."""
    stack = stack_of(path)
    return shape_of(stack), geometry(stack)


def read_image(path: Path) -> tuple[Array, Geometry]:
    """Voxels (columns, rows, slices) float32 in the modality's own values (Hounsfield units, for CT), and the geometry."""
    stack = stack_of(path)
    slices = np.empty((len(stack), *reversed(stack[0].shape)), np.float32)  # (slices, rows, columns)
    place = {id(frame): k for k, frame in enumerate(stack)}
    for file, frames in groupby(sorted(stack, key=lambda frame: (frame.file, frame.index)), key=lambda frame: frame.file):
        for frame, pixels in _pixels(file, list(frames)):
            slices[place[id(frame)]] = pixels
    return slices.T.reshape(shape_of(stack)), geometry(stack)


def stack_of(source: Path) -> list[Frame]:
    """The frames of a series in the order of their places.

    Raises:
        DataError: the headers do not make one scan (see `dicom_files.series_of` and `dicom_grid.ordered`), or it is in colour.
    """
    frames: list[Frame] = []
    for header in series_of(source):
        with readable(file_of(header)):
            frames += frames_of(header)
    return ordered(frames, str(source))


def files_of(source: Path) -> list[Path]:
    """All files of a scan, also of one that makes no volume."""
    if source.is_dir():
        return files_in(source)
    try:
        return [file_of(header) for header in series_of(source)]
    except DataError:
        return [source]


def patient(source: Path) -> str:
    """The PatientID of a series, out of one of its files; empty where there is none."""
    file = next(iter(files_in(source)), source) if source.is_dir() else source
    return str(read_dataset(file, TAGS).get("PatientID") or "")


def frames_of(header: Dataset) -> Iterator[Frame]:
    """The frames of one file."""
    path = file_of(header)
    if int(header.get("SamplesPerPixel") or 1) != 1:
        raise DataError(
            f"{path}: is in colour ({header.get('PhotometricInterpretation')}); expected grey values. Convert it, or leave it out."
        )
    count = int(header.get("NumberOfFrames") or 1)
    if header.get("PerFrameFunctionalGroupsSequence"):
        for k in range(count):
            group = frame_groups(header, k)
            position, orientation = group("PlanePositionSequence"), group("PlaneOrientationSequence")
            yield _frame(path, k, header, position, orientation, group("PixelMeasuresSequence"), group("PixelValueTransformationSequence"))
    elif count > 1:
        raise DataError(f"{path}: holds {count} frames and does not say where they lie (a film?). Save each as a file of its own.")
    else:
        yield _frame(path, 0, header, header, header, header, header)


def frame_groups(header: Dataset, k: int) -> Callable[[str], Any]:
    """What a file with functional groups says of frame k, by the name of the group: the frame's own before what all frames share."""
    own = header["PerFrameFunctionalGroupsSequence"].value[k]
    shared = (header.get("SharedFunctionalGroupsSequence") or [{}])[0]

    def group(name: str) -> Any:
        found = own.get(name) or shared.get(name)
        return found[0] if found else {}

    return group


def _frame(path: Path, index: int, header: Dataset, position: Any, orientation: Any, measures: Any, values: Any) -> Frame:
    spacing = next((measures.get(name) for name in SPACINGS if measures.get(name)), None)  # from row to row first
    place, directions = position.get("ImagePositionPatient"), orientation.get("ImageOrientationPatient")
    return Frame(
        path,
        index,
        (int(header["Columns"].value), int(header["Rows"].value)),
        np.array(place, dtype=np.float64).reshape(3) if place else None,
        np.array(directions, dtype=np.float64).reshape(2, 3) if directions else None,
        (float(spacing[1]), float(spacing[0])) if spacing else None,
        values,
        _negative(header),
    )


def _negative(header: Dataset) -> int | None:
    """Lowest and highest stored number together where high ones are dark, as X-rays often are: all scans are to be bright where high.

    So does ITK.
    """
    if header.get("PhotometricInterpretation") != "MONOCHROME1":
        return None
    return -1 if header.get("PixelRepresentation") else 2 ** int(header["BitsStored"].value) - 1


def _pixels(file: Path, frames: Sequence[Frame]) -> Iterator[tuple[Frame, Array]]:
    """Each of a file's frames with its voxels (rows, columns) in the modality's own values."""
    library(file)
    from pydicom.pixels.processing import apply_modality_lut
    from pydicom.pixels.utils import iter_pixels

    with readable(file):
        for frame, stored in zip(frames, iter_pixels(file, indices=[frame.index for frame in frames]), strict=True):
            bright = stored if frame.negative is None else frame.negative - stored.astype(np.int64)
            yield frame, apply_modality_lut(bright, frame.values) if frame.values else bright
