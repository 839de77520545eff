"""DICOM series as cases: in `images/`, nested as archives nest them, several in one folder; labels and patients."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from dicom_kit import save, slice_dataset, write_foreign, write_series

from semiseg.data.folder import open_folder
from semiseg.data.formats import read_header, read_label
from semiseg.data.layouts import manifest
from semiseg.data.layouts.series import series_among, series_below
from semiseg.data.preparation import Preparation
from semiseg.data.prepare import prepare
from semiseg.errors import DataError
from semiseg.evaluation.evaluate import evaluate, match_pairs

VOXELS = np.random.default_rng(2).integers(0, 200, (5, 6, 7)).astype(np.int16)
LABELS = np.zeros((7, 6, 5), np.uint8)
LABELS[2:4, 1:5, 1:3], LABELS[5, 2:4, 2] = 1, 2


def test_series_are_found_as_archives_nest_them(tmp_path: Path) -> None:
    write_series(tmp_path / "p1" / "study" / "t1", VOXELS)
    for name, uid in (("a", "1.2"), ("b", "1.3")):
        write_series(tmp_path / "p2" / "study" / name, VOXELS, SeriesInstanceUID=uid)
    write_series(tmp_path / "p3", VOXELS, SeriesInstanceUID="1.4", SeriesNumber=3)
    for k in range(3):
        save(slice_dataset(VOXELS[k], np.array([0, 0, k]), SeriesInstanceUID="1.5", SeriesNumber=8), tmp_path / "p3" / f"IM{k}")
    (tmp_path / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    (tmp_path / ".trash").mkdir()
    save(slice_dataset(VOXELS[0], np.zeros(3)), tmp_path / ".trash" / "a.dcm")
    found = {name: str(path.relative_to(tmp_path)) for name, path in series_below(tmp_path).items()}
    assert found == {"p1": "p1/study/t1", "p2_study_a": "p2/study/a", "p2_study_b": "p2/study/b", "p3_3": "p3/000.dcm", "p3_8": "p3/IM0"}
    assert series_below(tmp_path / "p1" / "study" / "t1") == {"t1": tmp_path / "p1" / "study" / "t1"}
    named = series_among([tmp_path / "p3" / "001.dcm", tmp_path / "p3" / "IM2", tmp_path / "p3" / "IM1", tmp_path / "p1/study/t1/004.dcm"])
    assert named == {"p3_3": tmp_path / "p3" / "001.dcm", "p3_8": tmp_path / "p3" / "IM2", "t1": tmp_path / "p1/study/t1/004.dcm"}


def test_x_rays_beside_each_other_are_a_case_each(tmp_path: Path) -> None:
    for name in "ab":
        x_ray = slice_dataset(VOXELS[0], np.zeros(3), ImagePositionPatient=None, ImageOrientationPatient=None, FrameOfReferenceUID=None)
        save(x_ray, tmp_path / "images" / f"{name}.dcm")
    assert series_below(tmp_path / "images") == {name: tmp_path / "images" / f"{name}.dcm" for name in "ab"}
    dataset = open_folder(tmp_path)
    assert ([case.id for case in dataset.train], dataset.dimensions) == (["a", "b"], 2)


def write_folder(folder: Path) -> Path:
    """Three series: one labelled in NIfTI that runs the other way, one in DICOM-SEG with slices left out, one not labelled."""
    images = {name: write_series(folder / "images" / name, VOXELS + k, PatientID=f"p{k // 2}") for k, name in enumerate("abc")}
    affine = read_header(folder / "images" / "a")[1].affine
    (folder / "labels").mkdir()
    turned = affine @ np.array([[1.0, 0, 0, 0], [0, -1, 0, 5], [0, 0, -1, 4], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(LABELS[:, ::-1, ::-1], turned), folder / "labels" / "a.nii.gz")
    segments = np.stack([np.equal(LABELS.T, k) for k in (1, 2)], -1).astype(np.uint8)
    write_foreign(folder / "labels" / "b.dcm", images["b"], segments)
    return folder


def test_labels_lie_on_their_series_and_patients_are_groups(tmp_path: Path) -> None:
    dataset = open_folder(write_folder(tmp_path / "data"))
    assert [(case.id, case.group, case.label is not None) for case in dataset.train] == [
        ("a", "p0", True),
        ("b", "p0", True),
        ("c", "p1", False),
    ]
    assert dataset.spacing_known
    prepared = prepare(dataset.train, Preparation(normalize="none"), 3, tmp_path / "cache")
    for k, item in enumerate(prepared):
        assert np.array_equal(item.image[0], VOXELS.T + k)
        assert (item.label is None) == (k == 2)
        assert item.label is None or np.array_equal(item.label, LABELS)
    assert dataset.classes == ("class_1", "class_2")


def test_a_manifest_says_the_same_as_the_folder(tmp_path: Path) -> None:
    dataset = open_folder(write_folder(tmp_path / "data"))
    manifest.write(dataset, tmp_path / "data" / "m.csv")
    assert "b,images/b,labels/b.dcm,p0,train" in (tmp_path / "data" / "m.csv").read_text(encoding="utf-8")
    again = open_folder(tmp_path / "data" / "m.csv")
    assert [vars(case) for case in again.train] == [vars(case) for case in dataset.train]


def test_a_changed_slice_is_prepared_again(tmp_path: Path) -> None:
    dataset = open_folder(write_folder(tmp_path / "data"))
    arguments = (Preparation(normalize="none"), 3, tmp_path / "cache")
    before = prepare(dataset.train, *arguments)[2].image.copy()
    write_series(tmp_path / "data" / "images" / "c", VOXELS + 9)
    assert np.array_equal(prepare(dataset.train, *arguments)[2].image, before + 7)


def test_a_patient_id_that_all_share_is_a_placeholder(tmp_path: Path) -> None:
    for name in "ab":
        write_series(tmp_path / "images" / name, VOXELS, PatientID="anonymous")
    assert [case.group for case in open_folder(tmp_path).train] == ["", ""]
    (tmp_path / "dataset.yaml").write_text("groups: {a: one}")
    assert [case.group for case in open_folder(tmp_path).train] == ["one", ""]


def test_two_scans_of_one_patient_do_not_straddle_a_split(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "test.list").write_text("b\n")
    with pytest.raises(DataError, match="group 'p0' has cases in both train and test"):
        open_folder(tmp_path)


def test_folders_that_leave_a_choice_are_refused(tmp_path: Path) -> None:
    for name in ("t1", "t2"):
        write_series(tmp_path / "images" / "a" / name, VOXELS)
    with pytest.raises(DataError, match=r"images/a: holds 2 folders of DICOM files \(t1, t2\)"):
        open_folder(tmp_path)
    write_series(tmp_path / "loose" / "images", VOXELS)
    with pytest.raises(DataError, match=r"000\.dcm: is one slice of a series, as 001\.dcm and 3 other files are\. Put each series"):
        open_folder(tmp_path / "loose")


def test_a_segmentation_is_scored_against_a_file_that_runs_the_other_way(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    (pair,) = match_pairs(folder / "labels" / "a.nii.gz", folder / "labels" / "b.dcm")
    # b.dcm holds slices 1 and 2 alone; on a.nii.gz, which runs the other way, all of its labels meet the same ones
    assert [score.dice for score in evaluate([pair], ["one", "two"]).cases[0].classes] == [1.0, 1.0]
    assert read_label(folder / "labels" / "b.dcm")[0].shape == (7, 6, 2)
