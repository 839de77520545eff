"""DICOM-SEG written: a mask as the segmentation of the series that it was made from, one segment a class."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from semiseg.case import Array, Geometry
from semiseg.data.formats.dicom import stack_of
from semiseg.data.formats.dicom_files import file_of, library, read_dataset
from semiseg.data.formats.dicom_grid import OFF_PLACE, Frame, geometry
from semiseg.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

NAME = "semiseg"
LONGEST_NAME = 64
"""Characters of a segment's name, by the standard (value representation LO)."""
EXPECTED = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime", "AccessionNumber")
"""What a segmentation takes over from its series, and what anonymisers remove although it may only be empty."""


def write_label(path: Path, labels: Array, where: Geometry, source: Path, classes: Sequence[str]) -> None:
    """Write a BINARY segmentation of all slices of a series, one segment a class, also where it is empty.

    Patient and study are those of the series. A series without a frame of reference (anonymised) is given one out of its own identifier.

    Args:
        path: where to.
        labels: (columns, rows, slices), or (columns, rows) of one slice.
        where: the geometry of `labels`.
        source: the series.
        classes: names of the classes 1, 2, ...; where there are fewer than values, the others are called class_2, ...

    Raises:
        DataError: the mask does not lie on the series, the series has no place, or its frames lie in several files.
    """
    stack = stack_of(source)
    _check_grid(path, labels, where, source, stack)
    slices = labels.reshape(*stack[0].shape, len(stack)).T  # (slices, rows, columns)
    names = [*classes, *(f"class_{k}" for k in range(len(classes) + 1, int(labels.max()) + 1))]
    images = _referenced(stack, source)
    if len(images) == 1:  # frames in the order of the file
        slices = slices[np.argsort([frame.index for frame in stack])]
    segmentation = _segmentation(images, slices, names)
    segmentation.save_as(path)


def _check_grid(path: Path, labels: Array, where: Geometry, source: Path, stack: Sequence[Frame]) -> None:
    if stack[0].position is None or stack[0].orientation is None or stack[0].spacing is None:
        raise DataError(f"{path}: {source} does not say where it lies, so that no DICOM-SEG can lie on it. Write NIfTI (--nifti).")
    shape = (*stack[0].shape, len(stack))
    same = labels.size == np.prod(shape) and labels.shape[:2] == shape[:2]
    if not same or np.abs(where.affine - geometry(stack).affine).max() > OFF_PLACE * min(where.spacing()):
        raise DataError(f"{path}: the mask {labels.shape} does not lie on {source} {shape}. Resample it to the grid of the series.")


def _referenced(stack: Sequence[Frame], source: Path) -> list[Dataset]:
    """The data sets that a segmentation refers to, in the order of the stack: one a slice, or the one file that holds all of them."""
    files = list(dict.fromkeys(frame.file for frame in stack))
    if 1 < len(files) < len(stack):
        raise DataError(
            f"{source}: its slices lie in {len(files)} files of several frames, for which no DICOM-SEG is made. Write NIfTI (--nifti)."
        )
    return [_completed(read_dataset(file), stack) for file in files]


def _completed(image: Dataset, stack: Sequence[Frame]) -> Dataset:
    """With what anonymisers remove, and what some scanners leave out, although highdicom relies on it."""
    from pydicom.dataset import Dataset
    from pydicom.uid import generate_uid

    for name in EXPECTED:
        if name not in image:
            setattr(image, name, None)
    for name in ("StudyInstanceUID", "FrameOfReferenceUID"):
        if not image.get(name):
            setattr(image, name, generate_uid(entropy_srcs=[str(image.get("SeriesInstanceUID", "")), name]))
    if "SliceThickness" not in image:
        image.SliceThickness = f"{geometry(stack).spacing()[2]:.8g}"
    own = image.get("PerFrameFunctionalGroupsSequence")
    if own:
        shared = (image.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
        for name in ("PixelMeasuresSequence", "PlaneOrientationSequence"):
            if name not in shared:
                setattr(shared, name, own[0][name].value)
        image.SharedFunctionalGroupsSequence = [shared]
    return image


def _segmentation(images: list[Dataset], slices: Array, names: Sequence[str]) -> Any:
    highdicom = _highdicom(file_of(images[0]))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The string .* is unlikely to represent the intended person name")  # it is the series'
        return highdicom.seg.Segmentation(
            images,
            np.ascontiguousarray(slices),
            segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=[_segment(highdicom, k, name) for k, name in enumerate(names, start=1)],
            series_instance_uid=highdicom.UID(),
            series_number=int(images[0].get("SeriesNumber") or 0) + 1000,
            sop_instance_uid=highdicom.UID(),
            instance_number=1,
            manufacturer=NAME,
            manufacturer_model_name=NAME,
            software_versions=version(NAME),
            device_serial_number="0",
            omit_empty_frames=False,  # the file alone says which grid it lies on
            series_description=f"Segmentation by {NAME}",
            specific_character_set="ISO_IR 192",  # UTF-8, whatever the series is written in
        )


def _segment(highdicom: Any, number: int, name: str) -> Any:
    """What a segment is: its name, and `tissue` for its kind, since nobody has said more."""
    from pydicom.sr.codedict import codes

    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=name[:LONGEST_NAME],
        segmented_property_category=codes.SCT.Tissue,
        segmented_property_type=codes.SCT.Tissue,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name=NAME, version=version(NAME), family=codes.DCM.ArtificialIntelligence
        ),
    )


def _highdicom(path: Path) -> Any:
    library(path)
    try:
        import highdicom
    except ImportError as error:
        raise DataError(f"{path}: DICOM-SEG needs highdicom. Install it, in a clone of semiseg: pip install '.[dicom]'.") from error
    return highdicom
