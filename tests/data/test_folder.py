"""From a folder to a data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from semiseg.case import Geometry
from semiseg.data.folder import open_folder
from semiseg.data.formats import write_label
from semiseg.errors import DataError

LA_FIRST = ["06SR5RBREL16DQ6M8LWS", "0RZDK210BSMWAA6467LU", "1D7CUD1955YZPGK8XHJX", "1GU15S0GJ6PFNARO469W"]
ACDC_FIRST = ["099", "038", "050", "100", "058", "021", "049", "020", "072", "040", "060", "089", "004", "056"]


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Images a, b, c; labels of a and b."""
    for part, names in (("images", "abc"), ("labels", "ab")):
        (tmp_path / part).mkdir()
        for name in names:
            write_label(tmp_path / part / f"{name}.nii.gz", np.eye(4)[None], Geometry())
    return tmp_path


def test_an_image_without_a_label_is_unlabelled(scans: Path) -> None:
    dataset = open_folder(scans)
    assert [(case.id, case.label is not None) for case in dataset.train] == [("a", True), ("b", True), ("c", False)]
    assert (dataset.name, dataset.dimensions, dataset.classes) == (scans.name, 3, ("class_1",))


def test_lists_say_what_is_for_what(scans: Path) -> None:
    (scans / "train.list").write_text("c\r\na\r\n\r\n")
    (scans / "test.list").write_text("b\n")
    dataset = open_folder(scans)
    assert [case.id for case in dataset.train] == ["c", "a"]
    assert [case.id for case in dataset.test] == ["b"]


def test_without_a_training_list_the_rest_is_for_training(scans: Path) -> None:
    (scans / "test.list").write_text("b\n")
    assert [case.id for case in open_folder(scans).train] == ["a", "c"]


def test_a_description_names_classes_and_patients(scans: Path) -> None:
    (scans / "dataset.yaml").write_text("name: toy\nclasses: [left, right]\ngroups: {a: p1, b: p1}\n")
    dataset = open_folder(scans)
    assert (dataset.name, dataset.classes, dataset.train[1].group) == ("toy", ("left", "right"), "p1")
    assert open_folder(scans, classes=("other",)).classes == ("other",)


def test_what_is_no_scan_is_told_and_stops_nobody_unless_it_is_most_of_the_folder(scans: Path) -> None:
    for name in ("README.md", "a.json", "a.raw", ".DS_Store", "b.nii.gz.bak"):
        (scans / "images" / name).write_text("x")
    assert "passed over" not in open_folder(scans).summary()
    (scans / "images" / "d.mgz").touch()
    (scans / "images" / "old").mkdir()
    (scans / "images" / "old" / "e.nii.gz").touch()
    assert open_folder(scans).summary().endswith("; 2 files (d.mgz, old/) passed over")
    for name in "efg":
        (scans / "images" / f"{name}.img").touch()
    with pytest.raises(DataError, match=r"images: 5 files \(d\.mgz, e\.img, f\.img and 2 more\) cannot be read as scans, and 3 can"):
        open_folder(scans)
    for name in "abc":
        (scans / "images" / f"{name}.nii.gz").unlink()
    with pytest.raises(DataError, match=r"holds no scans.* It holds 7 files"):
        open_folder(scans)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("train.list", "a\nz\n", r"train\.list: names 'z'.*1 of 2"),
        ("test.list", "\n", r"test\.list: names no case"),
        ("dataset.yaml", "clases: [x]", r"dataset\.yaml: clases.*Known keys: name, classes, groups"),
        ("dataset.yaml", "a: [", r"dataset\.yaml: is not YAML"),
        ("dataset.yaml", "groups: {z: p}", "groups name 'z'"),
        ("labels/z.nii.gz", "", "label without an image"),
        ("images/a.nii", "", "same case id 'a'"),
    ],
)
def test_slips_are_named(scans: Path, file: str, text: str, message: str) -> None:
    (scans / file).write_text(text)
    with pytest.raises(DataError, match=message):
        open_folder(scans)


def test_what_is_no_data_set_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"images/.*LA.*ACDC"):
        open_folder(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        open_folder(tmp_path / "nowhere")
    (tmp_path / "images").mkdir()
    with pytest.raises(DataError, match="holds no scans"):
        open_folder(tmp_path)


@pytest.mark.parametrize("labeled", [4, 8, 16])
def test_la_has_the_published_splits(la_folder: Path, labeled: int) -> None:
    dataset = open_folder(la_folder)
    split = dataset.split(labeled)
    assert [case.id for case in split.labeled[:4]] == LA_FIRST
    assert (len(split.labeled), len(split.unlabeled), len(split.test)) == (labeled, 80 - labeled, 20)
    assert (dataset.name, dataset.classes, dataset.dimensions) == ("LA", ("left atrium",), 3)
    assert {case.spacing for case in dataset.train + dataset.test} == {(0.625, 0.625, 0.625)}


@pytest.mark.parametrize(("patients", "slices"), [(1, 32), (3, 68), (7, 136), (14, 256), (21, 396), (28, 512), (35, 664), (70, 1312)])
def test_acdc_has_the_published_splits(acdc_folder: Path, patients: int, slices: int) -> None:
    split = open_folder(acdc_folder).split(patients)
    assert len(split.labeled) == slices
    assert len(split.labeled) + len(split.unlabeled) == 1312
    assert [case.id for case in split.labeled] == (acdc_folder / "train_slices.list").read_text(encoding="utf-8").split()[:slices]


def test_acdc_is_split_by_patient(acdc_folder: Path) -> None:
    dataset = open_folder(acdc_folder)
    patients = list(dict.fromkeys(case.group for case in dataset.train))
    assert patients[:14] == [f"patient{number}" for number in ACDC_FIRST]
    assert (len(patients), len(dataset.validation), len(dataset.test)) == (70, 20, 40)
    assert (dataset.dimensions, dataset.spacing_known, len(dataset.classes)) == (2, False, 3)


def test_hippocampus_is_a_plain_folder_with_lists(hippocampus_folder: Path) -> None:
    dataset = open_folder(hippocampus_folder)
    split = dataset.split(4)
    assert (len(dataset.train), len(dataset.test)) == (208, 52)
    assert split.labeled[0].id == "hippocampus_001"
    assert split.classes == ("class_1", "class_2")
