"""Small DICOM series for tests, written with pydicom alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import highdicom
import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from semiseg.case import Array

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
STUDY = generate_uid(entropy_srcs=["study"])


def slice_dataset(pixels: Array, position: Array, orientation: tuple[float, ...] = AXIAL, **tags: Any) -> Dataset:
    """One CT slice (rows, columns) of int16. A tag that is None is left out."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    values: dict[str, Any] = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": generate_uid(),
        "StudyInstanceUID": STUDY,
        "SeriesInstanceUID": generate_uid(entropy_srcs=["series"]),
        "FrameOfReferenceUID": generate_uid(entropy_srcs=["frame"]),
        "Modality": "CT",
        "PatientID": "p1",
        "PatientName": "Test^One",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "ImagePositionPatient": [f"{x:.6f}" for x in position],
        "ImageOrientationPatient": [f"{x:.10f}"[:16] for x in orientation],
        "PixelSpacing": [0.5, 0.75],
        "PixelData": pixels.astype("<i2").tobytes(),
        **tags,
    }
    for name, value in values.items():
        if value is not None:
            setattr(dataset, name, value)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def write_series(
    folder: Path, voxels: Array, orientation: tuple[float, ...] = AXIAL, step: float = 2.0, shuffle: int = 0, **tags: Any
) -> list[Dataset]:
    """Voxels (slices, rows, columns) as a file a slice, in files and instance numbers that say nothing of their order.

    Returns the data sets in the order of their places along the normal.
    """
    folder.mkdir(parents=True, exist_ok=True)
    normal = np.cross(orientation[:3], orientation[3:])
    names = np.random.default_rng(shuffle).permutation(len(voxels))
    written = []
    for k, pixels in enumerate(voxels):
        position = np.array([-31.25, 12.5, 47.0]) + k * step * normal
        dataset = slice_dataset(pixels, position, orientation, **{"InstanceNumber": int(names[k]) + 1, **tags})
        save(dataset, folder / f"{names[k]:03}.dcm")
        written.append(dataset)
    return written


def save(dataset: Dataset, path: Path) -> Path:
    """Write a DICOM file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_foreign(path: Path, images: list[Dataset], masks: Array, **settings: Any) -> Path:
    """A segmentation as other programs write it: slices without a segment left out. `masks` (slices, rows, columns, segments)."""
    segments = [
        highdicom.seg.SegmentDescription(k, f"s{k}", codes.SCT.Tissue, codes.SCT.Tissue, highdicom.seg.SegmentAlgorithmTypeValues.MANUAL)
        for k in range(1, masks.shape[-1] + 1)
    ]
    for image in images:
        for name in ("PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime", "AccessionNumber"):
            setattr(image, name, None)
        image.SliceThickness = 1
    described = {"manufacturer": "m", "manufacturer_model_name": "m", "software_versions": "1", "device_serial_number": "1", **settings}
    kind = described.pop("segmentation_type", "BINARY")
    highdicom.seg.Segmentation(
        images, masks, kind, segments, generate_uid(), 9, generate_uid(), instance_number=1, omit_empty_frames=True, **described
    ).save_as(path)
    return path
