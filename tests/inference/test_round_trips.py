"""A mask lies on its scan: in every axis order, flip, spacing and format, as SimpleITK and nibabel read both files."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK as untyped
import torch
from rotation_kit import rotation
from torch import Tensor, nn

from semiseg.case import Array
from semiseg.config import make_run
from semiseg.inference.files import predict_files
from semiseg.inference.inputs import find_cases
from semiseg.inference.predictor import Predictor

sitk: Any = untyped
THRESHOLD = 100
FORMATS = (".nii", ".nii.gz", ".nrrd", ".mha")
SHAPE = (4, 5, 6)


class Threshold(nn.Module):
    """Stands in for a trained method: whatever is brighter than the threshold is class 1."""

    def predict_logits(self, x: Tensor) -> Tensor:
        return torch.cat([THRESHOLD + 0.5 - x, x - THRESHOLD - 0.5], dim=1)


@pytest.fixture(scope="module")
def predictors() -> dict[int, Predictor]:
    """By the number of dimensions."""
    values = {"data": {"channels": 1, "classes": ["bright"]}, "preparation": {"normalize": "none"}}
    runs = {n: make_run(values, {"training": {"patch": [8] * n}}) for n in (2, 3)}
    method: Any = Threshold()
    return {n: Predictor(run, method, torch.device("cpu"), "32-true") for n, run in runs.items()}


def affines(degrees: tuple[float, float, float]) -> list[Array]:
    """The 48 axis orders and flips of an anisotropic grid, turned by `degrees`."""
    found = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            affine = np.eye(4)
            affine[:3, :3] = rotation(degrees) @ (np.eye(3)[:, order] * signs) @ np.diag([0.5, 0.75, 3.0])
            affine[:3, 3] = (-31.25, 12.5, 47.0)
            found.append(affine)
    return found


def write_scan(path: Path, voxels: Array, affine: Array) -> None:
    """Through nibabel, and through SimpleITK where nibabel does not write the format: neither is the code under test."""
    if path.name.endswith((".nii", ".nii.gz")):
        nibabel.save(nibabel.Nifti1Image(voxels, affine), path)
        return
    lps = np.diag([-1, -1, 1, 1]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image = sitk.GetImageFromArray(voxels.T)
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    sitk.WriteImage(image, str(path))


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("degrees", [(0, 0, 0), (12, -7, 33)], ids=["straight", "oblique"])
def test_a_mask_is_the_threshold_of_its_scan_in_any_reading(
    tmp_path: Path, predictors: dict[int, Predictor], suffix: str, degrees: tuple[float, float, float]
) -> None:
    voxels = np.random.default_rng(0).integers(0, 200, (48, *SHAPE)).astype(np.int16)
    (tmp_path / "scans").mkdir()
    for k, affine in enumerate(affines(degrees)):
        write_scan(tmp_path / "scans" / f"{k:02}{suffix}", voxels[k], affine)
    results = predict_files(predictors[3], find_cases([tmp_path / "scans"]), tmp_path / "masks")
    assert [(result.status, result.mask.name) for result in results] == [("predicted", f"{k:02}{suffix}") for k in range(48)]
    for k, (result, affine) in enumerate(zip(results, affines(degrees), strict=True)):
        scan, mask = sitk.ReadImage(str(result.source)), sitk.ReadImage(str(result.mask))
        assert np.array_equal(sitk.GetArrayFromImage(mask), sitk.GetArrayFromImage(scan) > THRESHOLD)
        assert mask.GetOrigin() == pytest.approx(scan.GetOrigin(), abs=1e-6)
        assert mask.GetSpacing() == pytest.approx(scan.GetSpacing(), abs=1e-6)
        assert mask.GetDirection() == pytest.approx(scan.GetDirection(), abs=1e-6)
        if suffix.startswith(".nii"):
            read: Any = nibabel.load(result.mask)
            assert np.array_equal(np.asanyarray(read.dataobj), voxels[k] > THRESHOLD)
            source: Any = nibabel.load(result.source)
            assert np.array_equal(read.affine, source.affine)
            assert read.affine == pytest.approx(affine, abs=1e-6)


@pytest.mark.parametrize("suffix", [".nii.gz", ".mha"])
def test_a_resampled_ball_comes_back_to_its_place_in_every_orientation(tmp_path: Path, suffix: str) -> None:
    """A ball of 8 mm in voxels of 0.5 x 0.75 x 3 mm, predicted at 1 mm: wrong voxels are those that its surface runs through."""
    values = {"data": {"channels": 1, "classes": ["bright"]}, "preparation": {"normalize": "none", "spacing": [1.0, 1.0, 1.0]}}
    method: Any = Threshold()
    predictor = Predictor(make_run(values, {"training": {"patch": [16] * 3}}), method, torch.device("cpu"), "32-true")
    shape, spacing = (40, 28, 8), (0.5, 0.75, 3.0)
    grid = np.meshgrid(*[(np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(shape, spacing, strict=True)], indexing="ij")
    inside = (8 - np.linalg.norm(np.stack(grid), axis=0)).astype(np.float32)
    (tmp_path / "scans").mkdir()
    for k, affine in enumerate(affines((12, -7, 33))):
        write_scan(tmp_path / "scans" / f"{k:02}{suffix}", THRESHOLD + 0.5 + inside, affine)
    results = predict_files(predictor, find_cases([tmp_path / "scans"]), tmp_path / "masks")
    assert [result.status for result in results] == ["predicted"] * 48
    for result in results:
        scan, mask = sitk.ReadImage(str(result.source)), sitk.ReadImage(str(result.mask))
        assert (mask.GetSize(), mask.GetOrigin(), mask.GetDirection()) == (scan.GetSize(), scan.GetOrigin(), scan.GetDirection())
        wrong = (inside > 0) != sitk.GetArrayFromImage(mask).T
        assert np.abs(inside[wrong]).max(initial=0) < 1.5  # half of the longest side of a voxel, from the surface
        assert wrong.sum() < 0.04 * (inside > 0).sum()


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_all_formats_place_one_voxel_at_the_same_millimetres(tmp_path: Path, suffix: str) -> None:
    from semiseg.data.formats import read_header, read_image

    affine = affines((12, -7, 33))[17]
    voxels = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    write_scan(tmp_path / f"a{suffix}", voxels, affine)
    shape, geometry = read_header(tmp_path / f"a{suffix}")
    assert shape == SHAPE
    assert geometry.affine == pytest.approx(affine, abs=1e-5)
    assert np.array_equal(read_image(tmp_path / f"a{suffix}")[0], voxels)


@pytest.mark.parametrize(("suffix", "written"), [(".png", ".png"), (".tif", ".tif"), (".jpg", ".png"), (".mha", ".mha")])
def test_a_2d_scan_gets_a_2d_mask(tmp_path: Path, predictors: dict[int, Predictor], suffix: str, written: str) -> None:
    voxels = np.zeros((20, 33), np.uint8)
    voxels[3:9, 5:30] = 180
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((0.3, 0.4))
    sitk.WriteImage(image, str(tmp_path / f"scan{suffix}"))
    (result,) = predict_files(predictors[2], find_cases([tmp_path / f"scan{suffix}"]), tmp_path / "masks")
    assert (result.status, result.mask.name) == ("predicted", f"scan{written}")
    mask = sitk.ReadImage(str(result.mask))
    assert np.array_equal(sitk.GetArrayFromImage(mask), voxels > THRESHOLD)
    if suffix == ".mha":
        assert mask.GetSpacing() == (0.3, 0.4)
