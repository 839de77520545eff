"""From a DICOM series to a DICOM-SEG that equals the threshold of the series, voxel for voxel, as other programs read both."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as untyped
import torch
from rotation_kit import rotation
from scipy.spatial import cKDTree
from torch import Tensor, nn

from semiseg.case import Array
from semiseg.config import make_run
from semiseg.inference.files import predict_files
from semiseg.inference.inputs import find_cases
from semiseg.inference.predictor import Predictor
from series_kit import write_series

sitk: Any = untyped
THRESHOLD = 100


class Threshold(nn.Module):
    """Stands in for a trained method: whatever is brighter than the threshold is class 1, and nothing is class 2."""

    def predict_logits(self, x: Tensor) -> Tensor:
        return torch.cat([THRESHOLD + 0.5 - x, x - THRESHOLD - 0.5, torch.full_like(x, -1e6)], dim=1)

    def predict_both(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        return self.predict_logits(x), self.predict_views(x)

    def predict_views(self, x: Tensor) -> list[Tensor]:
        return []


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    values = {"data": {"channels": 1, "classes": ["bright", "empty"]}, "preparation": {"normalize": "none"}}
    method: Any = Threshold()
    return Predictor(make_run(values, {"training": {"patch": [256, 256, 8]}}), method, torch.device("cpu"), "32-true")


def points(array: Array, affine: Array) -> Array:
    """Millimetres (LPS) of all voxels above 0: (n, 3)."""
    found: Array = np.argwhere(array > 0) @ affine[:3, :3].T + affine[:3, 3]
    return found


def off(found: Array, expected: Array) -> float:
    """mm by which points lie off the expected ones, of which there are as many."""
    assert len(found) == len(expected) > 0
    there, back = cKDTree(expected).query(found)[0], cKDTree(found).query(expected)[0]
    return float(max(np.max(there), np.max(back)))


def bright_points(series: Path) -> Array:
    """What SimpleITK finds above the threshold of a series."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(series)))
    image = reader.Execute()
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return points((sitk.GetArrayFromImage(image).T > THRESHOLD).astype(np.uint8), affine)


def segmented_points(path: Path) -> Array:
    """What highdicom finds in a segmentation."""
    volume = highdicom.seg.segread(path).get_volume(combine_segments=True)
    return points(volume.array, volume.affine)


def orientations() -> list[tuple[float, ...]]:
    """The 24 ways in which columns and rows may run along axes, straight and oblique."""
    found = []
    for degrees in ((0.0, 0.0, 0.0), (12.0, -7.0, 33.0)):
        for row, column in itertools.permutations(range(3), 2):
            for signs in itertools.product((1, -1), repeat=2):
                axes = rotation(degrees) @ np.eye(3)[:, [row, column]] * signs
                found.append(tuple(axes.T.ravel().tolist()))
    return found


def test_a_segmentation_is_the_threshold_of_its_series_in_any_orientation(tmp_path: Path, predictor: Predictor) -> None:
    voxels = np.random.default_rng(0).integers(0, 200, (48, 4, 5, 6)).astype(np.int16)
    assert len(orientations()) == 48
    for k, orientation in enumerate(orientations()):
        write_series(tmp_path / "scans" / f"{k:02}", voxels[k], orientation)
    results = predict_files(predictor, find_cases([tmp_path / "scans"]), tmp_path / "masks")
    assert [(result.status, result.mask.name) for result in results] == [("predicted", f"{k:02}.dcm") for k in range(48)]
    for k, result in enumerate(results):
        expected = bright_points(result.source)
        assert len(expected) == (voxels[k] > THRESHOLD).sum()
        assert off(segmented_points(result.mask), expected) < 1e-4


def test_real_series_are_segmented_and_those_that_make_no_volume_named(dicom_folder: Path, tmp_path: Path, predictor: Predictor) -> None:
    results = {result.mask.stem: result for result in predict_files(predictor, find_cases([dicom_folder]), tmp_path / "masks")}
    assert len(results) == 15
    assert sorted(name for name, result in results.items() if result.status == "failed") == [
        "cannot_gantrytilting_001",
        "cannot_slicecount_001",
        "cannot_sliceorientation_001",
    ]
    assert "gantry tilt" in results["cannot_gantrytilting_001"].message
    for name in ("hippocampus_study1", "series_hitachi_anatomical_001", "series_generic_compressed_j2k_001"):
        assert off(segmented_points(results[name].mask), bright_points(results[name].source)) < 1e-3
    segmentation = pydicom.dcmread(results["series_siemens_multiframe_anatomical_001"].mask)
    assert [segment.SegmentLabel for segment in segmentation.SegmentSequence] == ["bright", "empty"]


def test_a_series_may_have_its_mask_and_has_its_maps_in_nifti(dicom_folder: Path, tmp_path: Path, predictor: Predictor) -> None:
    series = dicom_folder / "series" / "hitachi_anatomical_001"
    (result,) = predict_files(predictor, find_cases([series]), tmp_path, uncertainty=True, nifti=True)
    assert (result.status, result.mask) == ("predicted", tmp_path / "hitachi_anatomical_001.nii.gz")
    image: Any = nibabel.load(result.mask)
    assert off(points(np.asanyarray(image.dataobj), np.diag([-1, -1, 1, 1]) @ image.affine), bright_points(series)) < 1e-3
    (result,) = predict_files(predictor, find_cases([series]), tmp_path, uncertainty=True)
    assert result.mask.name == "hitachi_anatomical_001.dcm"
    assert (tmp_path / "uncertainty" / "hitachi_anatomical_001.nii.gz").is_file()


def test_files_of_a_series_are_one_case(dicom_folder: Path) -> None:
    files = sorted((dicom_folder / "series" / "hitachi_anatomical_001").iterdir())
    (case,) = find_cases(files)
    assert (case.id, case.images) == ("hitachi_anatomical_001", (files[0],))
    assert [case.id for case in find_cases([dicom_folder / "hippocampus", *files[:1]])] == [
        "hitachi_anatomical_001",
        "study1",
        "study2",
        "study3",
    ]
