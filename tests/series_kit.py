"""DICOM series that a test makes, written by GDCM: not the code under test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from semiseg.case import Array


def write_series(folder: Path, voxels: Array, orientation: tuple[float, ...]) -> None:
    """Voxels (slices, rows, columns) as a file a slice. File names run against the places."""
    folder.mkdir(parents=True)
    writer: Any = sitk.ImageFileWriter()  # type: ignore[no-untyped-call]
    writer.KeepOriginalImageUIDOn()
    normal = np.cross(orientation[:3], orientation[3:])
    for k, pixels in enumerate(voxels):
        image: Any = sitk.GetImageFromArray(pixels)
        image.SetSpacing((0.75, 0.5))
        position = np.array([-31.25, 12.5, 47.0]) + 3.0 * k * normal
        tags = {"0008|0060": "CT", "0020|000d": "1.2.3", "0020|000e": "1.2.3.4", "0008|0018": f"1.2.3.4.{k + 1}"}
        places = {"0020|0032": "\\".join(f"{x:.9f}" for x in position), "0020|0037": "\\".join(f"{x:.12f}" for x in orientation)}
        for tag, value in {**tags, **places}.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{len(voxels) - k}.dcm"))
        writer.Execute(image)
