"""BraTS 2019 is prepared as published: FLAIR, whole tumour, the brain's box, cut off and normalised, on its own place in space."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pytest
from typer.testing import CliRunner

from semiseg.case import Array, Geometry
from semiseg.cli import app
from semiseg.config import make_run, read_layers
from semiseg.data.brats2019 import brain_box, normalized, prepare_brats2019
from semiseg.data.folder import open_folder
from semiseg.data.formats import read_image, read_label, write_label
from semiseg.data.inspection import inspect
from semiseg.data.prepare import prepare
from semiseg.errors import DataError
from semiseg.methods import METHODS
from semiseg.networks import InstanceUNet

SHAPE = (24, 22, 20)
BRAIN = (slice(3, 21), slice(2, 20), slice(5, 18))
GEOMETRY = Geometry(np.array([[-1.0, 0, 0, 0], [0, -1.0, 0, 239], [0, 0, 1.0, 0], [0, 0, 0, 1]]), codes=(1, 1))
"""Of the challenge's scans: left, to the back, up; 1 mm."""


def flair(seed: int) -> Array:
    image = np.zeros(SHAPE, np.int16)
    image[BRAIN] = np.random.default_rng(seed).integers(100, 400, image[BRAIN].shape)
    image[10, 10, 10] = 30_000  # one voxel of 4,212: it is cut off
    return image


def tumor(seed: int = 0) -> Array:
    label = np.zeros(SHAPE, np.uint8)
    label[8:14, 8:14, 8 : 12 + seed] = 2
    label[9:12, 9:12, 9:11] = 1
    label[10, 10, 9] = 4
    return label


@pytest.fixture
def downloaded(tmp_path: Path) -> Path:
    """Six cases, the last two of low grade."""
    for k in range(6):
        name = f"BraTS19_TCIA_{k}_1"
        folder = tmp_path / "MICCAI" / ("HGG" if k < 4 else "LGG") / name
        for part in ("t1", "t1ce", "t2", "flair", "seg"):
            write_label(folder / f"{name}_{part}.nii.gz", tumor(k) if part == "seg" else flair(k) + (part != "flair"), GEOMETRY)
    return tmp_path / "MICCAI"


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """Three for training, one for validation, one for testing; case 3 is on none."""
    for part, cases in {"train": (4, 0, 1), "val": (2,), "test": (5,)}.items():
        path = tmp_path / "lists" / f"{part}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"BraTS19_TCIA_{k}_1\n" for k in cases))
    return tmp_path / "lists"


def test_the_box_holds_all_that_is_not_zero_and_as_released_loses_the_last_plane_of_each_axis() -> None:
    image = flair(0)
    assert brain_box(image) == BRAIN
    assert brain_box(image, released=True) == tuple(slice(side.start, side.stop - 1) for side in BRAIN)
    image[0, 0, 0] = -1
    assert brain_box(image)[0] == slice(0, 21)


def test_intensities_are_cut_off_at_999_of_1000_voxels_and_normalised_by_the_brain() -> None:
    image = np.zeros(10_000)
    image[5000:] = np.repeat([1.0, 3.0], 2500)
    image[-9:] = 1000.0  # 9 of 10,000 are above 3: 3 is what 0.9991 of the voxels do not exceed
    result = normalized(image)
    assert result.dtype == np.float32
    assert np.unique(result) == pytest.approx(
        [-2, -1, 1], abs=1e-6
    )  # brain: half 1, half 3, so mean 2 and deviation 1; background (0 - 2) / 1
    image[-11:] = 1000.0  # 11 of 10,000: the value at 0.999 is 1000 itself, and nothing is cut off
    assert normalized(image).max() > 10


def test_a_prepared_folder_is_a_data_set_with_the_published_parts(downloaded: Path, lists: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    assert prepare_brats2019(downloaded, tmp_path / "out", lists, progress=lambda *done: calls.append(done)) == 5
    assert calls[-1] == (5, 5)
    dataset = open_folder(tmp_path / "out")
    assert (dataset.name, dataset.named, dataset.preparation.normalize) == ("BraTS2019", ("whole tumor",), "none")
    assert [[case.id[-3] for case in part] for part in dataset.parts.values()] == [["4", "0", "1"], ["2"], ["5"]]
    assert [case.id[-3] for case in dataset.split(labeled=2).labeled] == ["4", "0"]  # the first of the list, as published
    assert inspect(dataset) == []
    image, label = prepare(dataset.train[1:2], dataset.preparation, 2, tmp_path / "cache")[0].image[0], read_label(dataset.train[1].label)  # type: ignore[arg-type]
    assert image.shape == label[0].shape == (18, 18, 13)
    assert np.array_equal(label[0], tumor()[BRAIN] > 0)
    brain = flair(0)[BRAIN] > 0
    assert (image[brain].mean(), image[brain].std()) == pytest.approx((0, 1), abs=1e-4)


def test_a_prepared_scan_lies_where_it_lay(downloaded: Path, tmp_path: Path) -> None:
    prepare_brats2019(downloaded, tmp_path / "out")
    _, geometry = read_image(tmp_path / "out" / "images" / "BraTS19_TCIA_0_1.nii.gz")
    first = np.array([3, 2, 5, 1])
    assert geometry.affine @ [0, 0, 0, 1] == pytest.approx(GEOMETRY.affine @ first)
    assert geometry.codes == GEOMETRY.codes
    assert np.array_equal(geometry.affine[:3, :3], GEOMETRY.affine[:3, :3])
    assert len(open_folder(tmp_path / "out").train) == 6  # without lists, all


def test_the_released_crop_is_one_voxel_shorter_and_otherwise_the_same_label(downloaded: Path, lists: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["prepare-brats2019", str(downloaded), "--to", str(tmp_path / "out"), "--lists", str(lists), "--released", "--json"]
    )
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == {"folder": str(tmp_path / "out"), "cases": 5, "released": True}
    label: Any = nibabel.load(tmp_path / "out" / "labels" / "BraTS19_TCIA_0_1.nii.gz")
    assert label.shape == (17, 17, 12)
    assert np.array_equal(np.asarray(label.dataobj), tumor()[3:20, 2:19, 5:17] > 0)


def test_what_cannot_be_prepared_is_said_before_anything_is_written(downloaded: Path, lists: Path, tmp_path: Path) -> None:
    (lists / "val.txt").write_text("BraTS19_other\n")
    with pytest.raises(DataError, match=r"case 'BraTS19_other' has no FLAIR image.*1 of 5"):
        prepare_brats2019(downloaded, tmp_path / "out", lists)
    with pytest.raises(DataError, match="holds no BraTS cases"):
        prepare_brats2019(lists, tmp_path / "out")
    with pytest.raises(DataError, match=r"no train\.txt"):
        prepare_brats2019(downloaded, tmp_path / "out", tmp_path)
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match="exists already"):
        prepare_brats2019(downloaded, tmp_path / "out")


def test_a_broken_scan_leaves_no_folder(downloaded: Path, tmp_path: Path) -> None:
    (downloaded / "HGG" / "BraTS19_TCIA_0_1" / "BraTS19_TCIA_0_1_flair.nii.gz").write_bytes(b"")
    with pytest.raises(DataError, match="BraTS19_TCIA_0_1_flair"):
        prepare_brats2019(downloaded, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_h5_packing_of_these_cases_is_known_by_its_names(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for k, part in enumerate(("train", "val", "test")):
        with h5py.File(tmp_path / "data" / f"BraTS19_CBICA_{k}_1.h5", "w") as file:
            file["image"], file["label"] = flair(k).astype(np.float32), (tumor() > 0).astype(np.uint8)
        (tmp_path / f"{part}.txt").write_text(f"BraTS19_CBICA_{k}_1\n")
    dataset = open_folder(tmp_path)
    assert (dataset.name, dataset.layout, dataset.named) == ("BraTS2019", "BraTS 2019 (h5)", ("whole tumor",))
    assert [len(part) for part in dataset.parts.values()] == [1, 1, 1]
    assert dataset.spacing_known
    assert dataset.train[0].spacing == (1, 1, 1)
    assert dataset.preparation.normalize == "none"


@pytest.mark.parametrize("method", METHODS)
def test_the_run_file_has_the_published_settings(method: str) -> None:
    found = {"data": {"channels": 1, "classes": ["whole tumor"]}, "network": {"width": 4}}
    run = make_run(read_layers("brats2019"), {"method": method}, found)
    assert (run.data.labeled, run.training.patch, run.inference.stride) == (25, (96, 96, 96), (64, 64, 64))
    assert (run.training.optimizer, run.training.learning_rate, run.training.schedule) == (
        "sgd",
        0.1 if method == "urpc" else 0.01,
        "polynomial",
    )
    network = run.description()
    assert isinstance(network, InstanceUNet)
    assert network.dropout == (0.0 if method == "urpc" else 0.3)
    run.build()
