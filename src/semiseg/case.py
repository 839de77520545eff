"""The types that every layer shares: a subject, where its voxels lie, and a training batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]


@dataclass(frozen=True)
class Channel:
    """One modality out of a file that holds several along its fourth axis; `index` counts from 0."""

    path: Path
    index: int

    def __str__(self) -> str:
        return f"{self.path}[{self.index}]"


@dataclass(frozen=True)
class OnScan:
    """A label file that is laid on the grid of its scan by where both lie: its own may run the other way, or leave slices out.

    For two label maps that are compared, `scan` is the other one.
    """

    path: Path
    scan: Path

    def __str__(self) -> str:
        return str(self.path)


Source = Path | Channel | OnScan | Array
"""Where voxels come from: a file or a folder (a DICOM series), a part of one, or an array that is in memory already."""


def file_of(source: Source) -> Path | None:
    """The file that a source lies in; None for an array in memory."""
    return source.path if isinstance(source, Channel | OnScan) else source if isinstance(source, Path) else None


IGNORE = -1
"""In a label map of classes: nobody labelled this voxel. No loss and no score looks at it."""


@dataclass(frozen=True, eq=False)
class Geometry:
    """Where a voxel grid lies in the patient.

    Attributes:
        affine: (4, 4) float64, voxel index (i, j, k, 1) to millimetres in RAS+ (NIfTI's convention). Axes are in the order of the file.
        codes: NIfTI (qform, sform) codes, written back as they were read.
        known: False where the file holds no geometry (h5, PNG): then one voxel counts as 1 mm and distances in mm are not to be trusted.
    """

    affine: Array = field(default_factory=lambda: np.eye(4))
    codes: tuple[int, int] = (0, 2)
    known: bool = True

    @staticmethod
    def from_spacing(spacing: tuple[float, ...], known: bool = True) -> Geometry:
        """A grid along the axes at the origin, `spacing` mm a voxel (2 or 3 numbers)."""
        return Geometry(np.diag([*spacing, *[1.0] * (4 - len(spacing))]), known=known)

    def spacing(self, dimensions: int = 3) -> tuple[float, ...]:
        """Millimetres a voxel along each of the first `dimensions` array axes."""
        return tuple(float(s) for s in np.linalg.norm(self.affine[:3, :dimensions], axis=0))


@dataclass(frozen=True)
class LabeledPart:
    """What of a label map somebody labelled, all of it by default. The rest of the scan is as unlabelled as a scan without a label.

    Attributes:
        slices: 0-based numbers of the labelled slices; None: all.
        axis: along which slices are counted; -1 is the last.
        values: values in the label file at voxels that are labelled; None: all.
    """

    slices: tuple[int, ...] | None = None
    axis: int = -1
    values: tuple[int, ...] | None = None


WHOLE_LABEL = LabeledPart()


@dataclass(frozen=True, eq=False)
class Case:
    """One subject.

    Attributes:
        id: unique in its data set; names the files that are written for it.
        images: one source a modality, all on one grid.
        label: the label map, or None. **An unlabelled case has no label here, so nothing can open one.**
        group: what must not straddle a split (a patient with two scans); empty means the case itself.
        spacing: mm a voxel, for files that hold no geometry.
        label_map: value in the label file -> class number, or `IGNORE`; values that are not named stay as they are.
        labeled_part: what of the label counts.
    """

    id: str
    images: tuple[Source, ...]
    label: Source | None = None
    group: str = ""
    spacing: tuple[float, ...] | None = None
    label_map: Mapping[int, int] = field(default_factory=dict)
    labeled_part: LabeledPart = WHOLE_LABEL

    @property
    def partly_labeled(self) -> bool:
        """Whether there may be voxels that nobody labelled beside labelled ones."""
        return self.label is not None and (self.labeled_part != WHOLE_LABEL or IGNORE in self.label_map.values())

    def unlabeled(self) -> Case:
        """The same case without its label."""
        return replace(self, label=None)


@dataclass(frozen=True)
class Labeled:
    """`image` (L, C, *S) float, `label` (L, *S) int64: a class, or `IGNORE`."""

    image: Tensor
    label: Tensor


@dataclass(frozen=True)
class Unlabeled:
    """`image` (U, C, *S) float. There is no field that could hold a label."""

    image: Tensor


@dataclass(frozen=True)
class Batch:
    """What one training step sees."""

    labeled: Labeled
    unlabeled: Unlabeled

    def images(self) -> Tensor:
        """All images, labelled first. (L + U, C, *S)"""
        return torch.cat([self.labeled.image, self.unlabeled.image])
