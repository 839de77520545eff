"""DICOM-SEG read: the segments of any program's segmentation as one label map, placed by what its frames say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from semiseg.case import Array, Geometry
from semiseg.data.formats.dicom import frame_groups, frames_of
from semiseg.data.formats.dicom_files import SEGMENTATION, TAGS, file_of, files_in, read_dataset, read_headers, readable
from semiseg.data.formats.dicom_grid import SAME_PLACE, Frame, are_steps, geometry, heights, refuse_unlike
from semiseg.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset


@dataclass(frozen=True, eq=False)
class Segmented:
    """The frames of a segmentation, and the grid that they lie on.

    Attributes:
        file: that holds them.
        frames: in the order of the file.
        segments: what each frame is of: the number of a segment, or None where its values are such numbers (LABELMAP).
        slices: of the grid, on which each frame lies.
        geometry: of the grid (columns, rows, slices).
    """

    file: Path
    frames: Sequence[Frame]
    segments: Sequence[int | None]
    slices: Array
    geometry: Geometry

    @property
    def shape(self) -> tuple[int, ...]:
        """Columns, rows and, of more than one, slices."""
        depth = int(self.slices.max()) + 1
        return (*self.frames[0].shape, depth) if depth > 1 else self.frames[0].shape


def is_segmentation(file: Path) -> bool:
    """Whether a DICOM file is a segmentation."""
    return str(read_dataset(file, ["Modality"]).get("Modality")) == SEGMENTATION


def read_header(path: Path) -> tuple[tuple[int, ...], Geometry]:
    """Shape and geometry of the grid that the frames of a segmentation lie on."""
    found = _opened(path)
    return found.shape, found.geometry


def read_label(path: Path) -> tuple[Array, Geometry]:
    """Segment numbers (columns, rows, slices), and the geometry.

    Programs leave out slices without a segment: the grid then reaches from the first slice with one to the last.

    Raises:
        DataError: segments overlap, or are fractions of a voxel; the frames make no grid; a folder holds other than one segmentation.
    """
    found = _opened(path)
    from pydicom.pixels.utils import iter_pixels

    labels = np.zeros((int(found.slices.max()) + 1, *reversed(found.frames[0].shape)), np.uint16)  # (slices, rows, columns)
    with readable(found.file):
        for k, segment, pixels in zip(found.slices, found.segments, iter_pixels(found.file), strict=True):
            inside = pixels != 0
            if (labels[k][inside] != 0).any():
                raise DataError(f"{found.file}: segments overlap, and a voxel has one class here. Export segments that do not overlap.")
            labels[k][inside] = pixels[inside] if segment is None else segment
    return labels.T.reshape(found.shape), found.geometry


def _file(path: Path) -> Path:
    """The segmentation itself, where a folder is given that holds it."""
    if not path.is_dir():
        return path
    found = [file_of(header) for header in read_headers(files_in(path)) if header.get("Modality") == SEGMENTATION]
    if len(found) != 1:
        raise DataError(f"{path}: holds {len(found)} segmentations (DICOM-SEG); expected one. Keep one in the folder, or name the file.")
    return found[0]


def _opened(path: Path) -> Segmented:
    file = _file(path)
    header = read_dataset(file, [*TAGS, "SegmentationType"])
    kind = header.get("SegmentationType")
    if header.get("Modality") != SEGMENTATION or not kind:
        raise DataError(
            f"{file}: is no segmentation (DICOM-SEG) but an image. Labels are DICOM-SEG, NIfTI or another format of label maps."
        )
    if kind == "FRACTIONAL":
        raise DataError(f"{file}: holds fractions of voxels; expected whole ones. Export it as a BINARY segmentation.")
    with readable(file):
        frames = list(frames_of(header))
        segments = [None if kind == "LABELMAP" else _segment_of(header, k) for k in range(len(frames))]
        distance = _distance(header)
    return Segmented(file, frames, segments, *_grid(file, frames, distance))


def _segment_of(header: Dataset, k: int) -> int:
    """The number of the segment that frame k is of."""
    identification = frame_groups(header, k)("SegmentIdentificationSequence")
    return int(identification["ReferencedSegmentNumber"].value)


def _distance(header: Dataset) -> float | None:
    """mm from slice to slice, as the file says."""
    measures = frame_groups(header, 0)("PixelMeasuresSequence")
    return next((float(measures.get(name)) for name in ("SpacingBetweenSlices", "SliceThickness") if measures.get(name)), None)


def _grid(file: Path, frames: Sequence[Frame], distance: float | None) -> tuple[Array, Geometry]:
    """The slice that each frame lies on, and the geometry of the grid of slices, some of which may have no frame.

    Raises:
        DataError: the frames do not make an even grid.
    """
    refuse_unlike(frames, str(file))
    along = heights(frames)
    order = np.argsort(along, kind="stable")
    gaps = np.diff(along[order])
    apart = gaps[gaps > SAME_PLACE]
    first, last = frames[order[0]], frames[order[-1]]
    if not len(apart):
        return np.zeros(len(frames), int), geometry([first], distance=distance or 1.0)
    usual = next((g for g in (distance, float(apart.min())) if g and are_steps(apart / g)), None)
    if usual is None:
        raise DataError(f"{file}: its frames are spaced unevenly. Export the segmentation as NIfTI on the grid of its series.")
    steps = np.where(gaps > SAME_PLACE, np.rint(gaps / usual), 0).astype(int)
    slices = np.zeros(len(frames), int)
    slices[order[1:]] = np.cumsum(steps)
    return slices, geometry([first, last], slices=int(slices.max()) + 1)
