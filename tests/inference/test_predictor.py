from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from semiseg.config import Run, make_run
from semiseg.errors import DataError, RunFolderError
from semiseg.inference.predictor import Predictor, load
from semiseg.inference.scores import uncertainty
from semiseg.methods import Method, MethodSettings, Task
from semiseg.run_folder import RunFolder

CPU = torch.device("cpu")


class Bands(Method[MethodSettings]):
    """Voxel by voxel: class 2 above 1.5, class 1 above 0.5, else background; a second view sees everything 1 higher."""

    title, paper, year, Settings = "Bands", "none", 2026, MethodSettings

    def predict_logits(self, image: Tensor) -> Tensor:
        value = image[:, :1]
        return torch.cat([torch.zeros_like(value), 10 * (value - 0.5), 20 * (value - 1.0)], dim=1)

    def predict_views(self, image: Tensor) -> list[Tensor]:
        return [self.predict_logits(image), self.predict_logits(image + 1)]


def a_run(patch: tuple[int, ...], **sections: Any) -> Run:
    general = {"data": {"channels": 1, "classes": ["one", "two"]}, "network": {"width": 4}, "preparation": {"normalize": "none"}}
    return make_run(general, {"training": {"patch": patch, "precision": "32-true"}}, sections)


def bands(run: Run) -> Predictor:
    return Predictor(run, Bands(Task(run.training.patch, run.description()), MethodSettings()), CPU, "32-true")


def scan(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.float32]:
    """Whole numbers 0, 1, 2: what `bands` has to answer."""
    return np.random.default_rng(seed).integers(0, 3, shape).astype(np.float32)


def save_run(folder: Path, run: Run) -> Path:
    torch.manual_seed(0)
    RunFolder.create(folder, run).save_weights(run.build())
    return folder


def oblique(degrees: float) -> NDArray[np.float64]:
    """0.9 x 0.9 x 3 mm voxels, turned about two axes, with the first axis running from right to left."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-0.9, 0.9, 3.0])
    affine[:3, 3] = [12.5, -40.0, 7.0]
    return affine


@pytest.mark.parametrize("shape", [(20, 18, 17), (33, 16, 40), (5, 50, 16)], ids=["odd", "larger", "thinner than the patch"])
def test_every_voxel_of_a_volume_is_answered_in_its_place(shape: tuple[int, ...]) -> None:
    image = scan(shape)
    found = bands(a_run((16, 16, 16), inference={"stride": [8, 16, 5], "batch": 3})).predict(image)
    assert found.labels.dtype == np.uint8
    assert (found.labels == image).all()
    assert found.probabilities is None
    assert not found.geometry.known


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_2d_model_cuts_a_volume_along_its_axis(axis: int) -> None:
    image = scan((20, 24, 28))
    found = bands(a_run((16, 16), preparation={"slice_axis": axis})).predict(image)
    assert (found.labels == image).all()


def test_a_2d_model_reads_a_plain_image() -> None:
    image = scan((40, 21))
    assert (bands(a_run((16, 32))).predict(image).labels == image).all()


def test_acdc_volumes_are_resized_slice_by_slice_and_back(tmp_path: Path) -> None:
    image = scan((3, 40, 52))  # slices, H, W
    with h5py.File(tmp_path / "patient001_frame01.h5", "w") as file:
        file["image"] = image
    run = a_run((32, 32), preparation={"slice_axis": 0, "resize": [32, 32]})
    found = bands(run).predict(tmp_path / "patient001_frame01.h5", spacing=(10.0, 1.5, 1.5))
    for k in range(3):
        small = ndimage.zoom(image[k], (32 / 40, 32 / 52), order=0)  # as the published code has it
        assert (found.labels[k] == ndimage.zoom(small, (40 / 32, 52 / 32), order=0)).all()
    assert found.geometry.spacing() == (10.0, 1.5, 1.5)


def test_maps_lie_on_the_scans_grid_and_agree_with_the_labels() -> None:
    image = scan((3, 40, 52))
    found = bands(a_run((32, 32), preparation={"slice_axis": 0, "resize": [32, 32]})).predict(image, maps=True)
    assert found.probabilities is not None
    assert found.uncertainty is not None
    assert found.probabilities.shape == (3, 3, 40, 52)
    assert found.uncertainty.shape == (3, 40, 52)
    assert (found.probabilities.argmax(0) == found.labels).all()
    assert found.probabilities.sum(0) == pytest.approx(np.ones((3, 40, 52)), abs=2e-3)  # half precision


def test_uncertainty_is_how_far_the_views_lie_apart() -> None:
    equal, sure = torch.tensor([0.0, 0.0]).view(1, 2, 1), torch.tensor([-50.0, 50.0]).view(1, 2, 1)
    assert float(uncertainty(equal.softmax(1), [equal, sure])) == pytest.approx(0.5)  # foreground 0.5 and 1
    assert float(uncertainty(equal.softmax(1), [sure, sure])) == 0
    assert float(uncertainty(equal.softmax(1), [equal])) == pytest.approx(0.5)  # one view: 1 - the highest probability
    assert float(uncertainty(sure.softmax(1), [sure])) == pytest.approx(0)


def test_the_largest_component_of_each_class_is_kept_where_the_run_says_so() -> None:
    image = np.zeros((16, 16, 16), dtype=np.float32)
    image[1:3, 1:3, 1:3], image[8:12, 8:12, 8:12], image[1, 14, 14] = 1, 1, 2
    found = bands(a_run((16, 16, 16), inference={"largest_component": True})).predict(image)
    assert np.bincount(found.labels.ravel()).tolist() == [16**3 - 65, 64, 1]  # the cube of 8 voxels is gone


@pytest.mark.parametrize("affine", [oblique(0), oblique(17), oblique(63)], ids=["axial", "oblique", "steep"])
def test_a_mask_lies_where_its_scan_lies(tmp_path: Path, affine: NDArray[np.float64]) -> None:
    from semiseg.inference.files import predict_files
    from semiseg.inference.inputs import find_cases

    predictor = load(str(save_run(tmp_path / "run", a_run((16, 16, 16)))), device="cpu")
    source = nibabel.Nifti1Image(np.random.default_rng(0).normal(size=(19, 16, 23)).astype(np.float32), affine)
    source.set_qform(affine, code=1)
    source.set_sform(affine, code=1)
    nibabel.save(source, tmp_path / "scan.nii.gz")
    (result,) = predict_files(predictor, find_cases([tmp_path / "scan.nii.gz"]), tmp_path / "masks")
    scan_read, mask = nibabel.Nifti1Image.from_filename(tmp_path / "scan.nii.gz"), nibabel.Nifti1Image.from_filename(result.mask)
    assert result.status == "predicted"
    assert mask.shape == scan_read.shape == (19, 16, 23)
    assert mask.affine == pytest.approx(scan_read.affine, abs=1e-5)
    assert mask.get_qform() == pytest.approx(scan_read.get_qform(), abs=1e-5)
    assert nibabel.aff2axcodes(mask.affine) == nibabel.aff2axcodes(affine)
    assert mask.get_data_dtype() == np.uint8
    assert (predictor.predict(str(tmp_path / "scan.nii.gz")).labels == mask.get_fdata()).all()


@pytest.mark.parametrize("method", ["cml", "supervised"])
@pytest.mark.parametrize("patch", [(16, 32), (16, 16, 16)], ids=["2D", "3D"])
def test_a_loaded_run_says_what_its_method_says(tmp_path: Path, method: str, patch: tuple[int, ...]) -> None:
    run = a_run(patch, method=method)
    predictor = load(save_run(tmp_path / "run", run), device="cpu")
    image = np.random.default_rng(0).normal(size=patch).astype(np.float32)
    found = predictor.predict(image, maps=True)
    with torch.no_grad():
        logits = predictor.method.predict_logits(torch.from_numpy(image)[None, None])
    assert found.probabilities is not None
    assert found.probabilities == pytest.approx(logits[0].softmax(0).numpy(), abs=1e-3)
    assert not predictor.method.training


def test_scans_that_do_not_suit_the_model_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"shape \(16, 16\): is 2D, and the model is 3D"):
        bands(a_run((16, 16, 16))).predict(scan((16, 16)))
    with pytest.raises(DataError, match=r"is 3D, and the model is 2D.*slice_axis"):
        bands(a_run((16, 16))).predict(scan((4, 16, 16)))
    with pytest.raises(DataError, match="2 modalities were given; the model expects 1"):
        bands(a_run((16, 16))).predict([scan((16, 16)), scan((16, 16))])
    with pytest.raises(DataError, match=r"array of shape .*: all voxels .*have the value 0"):
        bands(a_run((16, 16), preparation={"normalize": "zscore"})).predict(np.zeros((16, 16)))
    with pytest.raises(RunFolderError, match="not a run folder"):
        load(tmp_path)


def test_modalities_are_channels() -> None:
    run = a_run((16, 16), data={"channels": 2, "classes": ["one", "two"]})
    first, second = scan((20, 20)), scan((20, 20), seed=1)
    assert (bands(run).predict([first, second]).labels == first).all()
    with pytest.raises(DataError, match="the modalities have shapes"):
        bands(run).predict([first, scan((20, 21))])
