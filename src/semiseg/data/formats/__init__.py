"""Reading and writing scans: one place that knows which suffix is read by what; arrays in memory pass through the same checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np

from semiseg.case import Array, Channel, Geometry, OnScan, Source, file_of
from semiseg.data.formats import dicom, dicom_seg, dicom_seg_writer, h5, itk, nifti, picture
from semiseg.data.formats.common import (
    case_name,
    checked_image,
    checked_label,
    checked_shape,
    complete_or_not_at_all,
    describe,
    smallest_type,
    suffix,
)
from semiseg.data.formats.placing import placed
from semiseg.errors import DataError

__all__ = [
    "SUFFIXES",
    "case_name",
    "channels_of",
    "describe",
    "files_of",
    "image_reader",
    "label_source",
    "map_suffix",
    "mask_suffix",
    "read_header",
    "read_image",
    "read_images",
    "read_label",
    "read_label_header",
    "write_label",
]

READERS: dict[str, ModuleType] = {s: module for module in (nifti, itk, dicom, picture, h5) for s in module.SUFFIXES}
SUFFIXES = tuple(READERS)
WRITERS: dict[str, ModuleType] = {s: module for module in (nifti, itk) for s in module.SUFFIXES} | dict.fromkeys(picture.LOSSLESS, picture)
del WRITERS[".mhd"]  # two files, the header naming the other: not to be renamed when complete
SEGMENTATION = ".dcm"
"""Of a DICOM-SEG, which is written for a DICOM series alone."""


def read_image(source: Source) -> tuple[Array, Geometry]:
    """One scan (*S), float32, 2D or 3D, in the file's own axis order, and where it lies.

    Raises:
        DataError: missing, cut short or damaged file; no voxels; NaN or infinite voxels; more than 3 axes.
    """
    if isinstance(source, Channel):
        return image_reader()(source)
    if isinstance(source, OnScan):
        return read_image(source.path)
    array, geometry = _reader(source).read_image(source) if isinstance(source, Path) else (source, Geometry(known=False))
    return checked_image(array, source), geometry


def read_images(sources: Sequence[Source]) -> list[tuple[Array, Geometry]]:
    """All modalities of a case, as `read_image` reads each; a file that holds several of them is read once."""
    return list(map(image_reader(), sources))


def image_reader() -> Callable[[Source], tuple[Array, Geometry]]:
    """`read_image` that keeps the file of the last channel, so that all channels of a case cost one reading."""
    kept: dict[Path, tuple[Array, Geometry]] = {}

    def read(source: Source) -> tuple[Array, Geometry]:
        if not isinstance(source, Channel):
            return read_image(source)
        if source.path not in kept:
            kept.clear()
            kept[source.path] = _reader(source.path).read_image(source.path)
        array, geometry = kept[source.path]
        _check_channel(array.shape, source)
        return checked_image(array[..., source.index], source), geometry

    return read


def read_label(source: Source) -> tuple[Array, Geometry]:
    """One label map (*S) of class numbers (an integer type), and where it lies.

    Raises:
        DataError: as `read_image`, and where values are not whole numbers.
    """
    if isinstance(source, Channel):
        array, geometry = read_image(source)
    elif isinstance(source, OnScan):
        return _laid(*read_label(source.path), source)
    else:
        array, geometry = _label_reader(source).read_label(source) if isinstance(source, Path) else (source, Geometry(known=False))
    return checked_label(array, source), geometry


def read_header(source: Source) -> tuple[tuple[int, ...], Geometry]:
    """Shape and geometry of a scan, without its voxels: milliseconds where `read_image` takes seconds."""
    if isinstance(source, Channel):
        shape, geometry = _reader(source.path).read_header(source.path)
        _check_channel(shape, source)
        return checked_shape(shape[:3], source), geometry
    if isinstance(source, OnScan):
        return read_label_header(source)
    shape, geometry = _reader(source).read_header(source) if isinstance(source, Path) else (source.shape, Geometry(known=False))
    return checked_shape(shape, source), geometry


def channels_of(path: Path) -> tuple[Source, ...]:
    """The modalities of a file: those along its fourth axis where it has four, else the file itself (also where it cannot be read)."""
    try:
        shape, _ = _reader(path).read_header(path)
    except DataError:
        return (path,)
    return tuple(Channel(path, k) for k in range(shape[3])) if len(shape) == 4 else (path,)


def read_label_header(source: Source) -> tuple[tuple[int, ...], Geometry]:
    """Shape and geometry of a label map, without its voxels."""
    if isinstance(source, OnScan):
        shape, geometry = read_label_header(source.path)
        empty, geometry = _laid(np.zeros(shape, np.uint8), geometry, source)
        return empty.shape, geometry
    if isinstance(source, Path) and _label_reader(source) is dicom_seg:
        return dicom_seg.read_header(source)
    if isinstance(source, Path) and suffix(source) in h5.SUFFIXES:
        shape, geometry = h5.read_header(source, "label")
        return checked_shape(shape, source), geometry
    return read_header(source)


def write_label(path: Path, labels: Array, geometry: Geometry, source: Source | None = None, classes: Sequence[str] = ()) -> None:
    """Write class numbers as uint8 (int16 where they do not fit) in the format of the suffix, complete or not at all.

    Args:
        path: where to; the suffix says the format.
        labels: (*S) class numbers.
        geometry: of the grid.
        source: the scan that the mask belongs to. A DICOM-SEG (.dcm) refers to it and cannot be without; other formats do not ask.
        classes: names of the foreground classes 1, 2, ..., for formats that hold names (DICOM-SEG).

    Raises:
        DataError: the suffix is none of a format that holds label maps, the format cannot hold this one, or a value does not fit int16.
    """
    writer = WRITERS.get(suffix(path))
    series = None if source is None else file_of(source)
    if writer is None and suffix(path) != SEGMENTATION:
        raise DataError(f"{path}: masks are not written in this format; expected one of {', '.join([*WRITERS, SEGMENTATION])}.")
    integers = labels.astype(smallest_type(labels, path))
    with complete_or_not_at_all(path) as partial:
        if writer is not None:
            writer.write_label(partial, integers, geometry)
        elif series is None:
            raise DataError(f"{path}: a DICOM-SEG belongs to a DICOM series, and the scan is none. Write NIfTI (.nii.gz).")
        else:
            dicom_seg_writer.write_label(partial, integers, geometry, series, classes)


def mask_suffix(source: Path) -> str:
    """The suffix of a scan's mask: the scan's own where that format holds masks and their place as the scan's, else the nearest."""
    own = suffix(source)
    if own in WRITERS:
        return own
    if _is_dicom(source):
        return SEGMENTATION
    return {".mhd": ".mha", **dict.fromkeys(picture.LOSSY, ".png")}.get(own, ".nii.gz")


def _check_channel(shape: tuple[int, ...], source: Channel) -> None:
    if len(shape) != 4 or source.index >= shape[3]:
        raise DataError(
            f"{source}: there is no such channel in a file of shape {shape}. Name the modalities that it holds, or export it again."
        )


def map_suffix(source: Path) -> str:
    """The suffix of a map of whole numbers on a scan's grid (uncertainty in percent): that of its mask, unless that holds classes alone."""
    own = mask_suffix(source)
    return ".nii.gz" if own == SEGMENTATION else own


def files_of(source: Source) -> list[Path]:
    """All files that reading a source depends on; none for an array in memory."""
    path = file_of(source)
    own = [] if path is None else dicom.files_of(path) if _is_dicom(path) else [path]
    return [*own, *files_of(source.scan)] if isinstance(source, OnScan) else own


def label_source(label: Path, scan: Source) -> Source:
    """How the label of a scan is to be read: on the scan's grid where one of the two is DICOM, as programs order slices differently."""
    on = file_of(scan)
    return OnScan(label, on) if on is not None and (_is_dicom(label) or _is_dicom(on)) else label


def _laid(label: Array, geometry: Geometry, source: OnScan) -> tuple[Array, Geometry]:
    """On the grid of the scan where that runs through the same points; else as it is, for whoever compares the two to refuse."""
    shape, grid = (read_label_header if _is_segmentation(source.scan) else read_header)(source.scan)
    if not (geometry.known and grid.known):
        return label, geometry
    on_scan = placed(label, geometry, shape, grid)
    return (label, geometry) if on_scan is None else (on_scan, grid)


def _is_dicom(path: Path) -> bool:
    known = READERS.get(suffix(path))
    return known is dicom or path.is_dir() or (known is None and dicom.is_dicom(path))


def _is_segmentation(path: Path) -> bool:
    return _is_dicom(path) and not path.is_dir() and dicom_seg.is_segmentation(path)


def _label_reader(path: Path) -> ModuleType:
    reader = _reader(path)
    return dicom_seg if reader is dicom else reader


def _reader(path: Path) -> ModuleType:
    reader = dicom if _is_dicom(path) else READERS.get(suffix(path))
    if reader is None:
        raise DataError(f"{path}: files of this kind are not read; expected one of {', '.join(SUFFIXES)}. Convert it to NIfTI.")
    return reader
