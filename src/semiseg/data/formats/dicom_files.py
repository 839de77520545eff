"""Which files are DICOM and which of them make one scan: a folder of slices, a file with many frames, or the series that one file is of."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semiseg.data.formats.common import one_line
from semiseg.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

SUFFIXES = (".dcm", ".ima")
"""Files of other names, or without a suffix, are known by their content."""
MAGIC_AT, MAGIC = 128, b"DICM"
INDEX = "DICOMDIR"
SEGMENTATION = "SEG"
"""The Modality of a DICOM-SEG."""
TAGS = [
    *("SOPClassUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "Modality", "PatientID", "ImageType"),
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "BitsStored", "PixelRepresentation"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "ImagerPixelSpacing"),
    *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
]
"""What is read of a header."""


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM by its suffix or its content."""
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            file.seek(MAGIC_AT)
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def files_in(folder: Path) -> list[Path]:
    """The DICOM files of a folder, sorted by name; not those below it, not hidden ones, and not its index."""
    files = (path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".") and path.name != INDEX)
    return [path for path in files if is_dicom(path)]


def read_dataset(path: Path, tags: list[str] | None = None) -> Dataset:
    """What a file says, without its voxels; `tags` are all that is kept of it.

    Raises:
        DataError: pydicom is not installed, no file, not DICOM, damaged.
    """
    pydicom = library(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file.")
    with readable(path):
        dataset: Dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=tags)
    return dataset


def read_headers(files: Iterable[Path]) -> list[Dataset]:
    """The headers of those files that hold an image or a segmentation (reports and the like are passed over).

    Raises:
        DataError: a file cannot be read, or should hold an image and does not.
    """
    headers = [read_dataset(path, TAGS) for path in files]
    for header in headers:
        if "Rows" not in header and ("SOPClassUID" not in header or "Image Storage" in _kind(header)):
            raise DataError(f"{file_of(header)}: holds no image although it says so. It is cut short or damaged: copy or export it again.")
    return [header for header in headers if "Rows" in header]


def series_of(source: Path) -> list[Dataset]:
    """The headers of one scan: of all images in a folder, of a file with many frames, or of the series that a slice is one of.

    Raises:
        DataError: no image, a segmentation, or images of several series.
    """
    if source.is_dir():
        images = [header for header in read_headers(files_in(source)) if header.get("Modality") != SEGMENTATION]
        series = by_series(images)
        if len(series) > 1:
            known = "; ".join(f"{_title(headers)}: {file_of(headers[0]).name}" for headers in series.values())
            raise DataError(
                f"{source}: holds {len(series)} series ({known}). "
                "Give each a folder of its own, or name one file of the series that you mean."
            )
        if not images:
            raise DataError(f"{source}: holds no DICOM images. Name the folder that the slices lie in.")
        return images
    images = read_headers([source])
    if not images:
        raise DataError(f"{source}: holds no image (it is a {_kind(read_dataset(source, TAGS))}). Leave it out.")
    if images[0].get("Modality") == SEGMENTATION:
        raise DataError(f"{source}: is a segmentation and no scan. Put it among the labels.")
    return _siblings(images[0]) if is_slice(images[0]) else images


def by_series(headers: Iterable[Dataset]) -> dict[str, list[Dataset]]:
    """Headers by series, in the order of their files."""
    series: dict[str, list[Dataset]] = {}
    for header in headers:
        series.setdefault(str(header.get("SeriesInstanceUID", "")), []).append(header)
    return series


def is_slice(header: Dataset) -> bool:
    """Whether a file is one slice of a scan: it has one frame, and says where that lies."""
    return int(header.get("NumberOfFrames") or 1) == 1 and "ImagePositionPatient" in header


def file_of(header: Dataset) -> Path:
    """The file that a header was read from."""
    return Path(str(header.filename))


def _siblings(header: Dataset) -> list[Dataset]:
    path = file_of(header)
    others = by_series(filter(is_slice, read_headers(files_in(path.parent))))
    return others[str(header.get("SeriesInstanceUID", ""))]


def _title(headers: list[Dataset]) -> str:
    words = [str(headers[0].get(tag)) for tag in ("SeriesNumber", "SeriesDescription") if headers[0].get(tag)]
    return f"{' '.join(words) or 'without a name'}, {len(headers)} files"


def _kind(header: Dataset) -> str:
    from pydicom.uid import UID

    return UID(str(header.get("SOPClassUID", "file of no kind"))).name


def library(path: Path) -> Any:
    """The module `pydicom`.

    Raises:
        DataError: the extra is not installed.
    """
    try:
        import pydicom
    except ImportError as error:
        raise DataError(f"{path}: DICOM needs pydicom and more. Install them, in a clone of semiseg: pip install '.[dicom]'.") from error
    return pydicom


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Whatever pydicom and its decoders raise on a damaged file, as one sentence."""
    from pydicom.errors import InvalidDicomError

    try:
        yield
    except InvalidDicomError as error:
        raise DataError(f"{path}: is no DICOM file (it lacks the mark 'DICM'). Copy or export it again, or leave it out.") from error
    except NotImplementedError as error:
        raise DataError(f"{path}: cannot be decoded ({one_line(error)}). Convert it to uncompressed DICOM.") from error
    except (OSError, EOFError, ValueError, KeyError, IndexError, AttributeError, TypeError, RuntimeError, struct.error) as error:
        raise DataError(f"{path}: cannot be read ({one_line(error)}). It is cut short or damaged: copy or export it again.") from error
