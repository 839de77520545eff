"""`dataset.yaml` is heard in every layout, and where it cannot be, that is said."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from semiseg.case import Geometry
from semiseg.data.folder import open_folder
from semiseg.data.formats import write_label
from semiseg.data.known import KNOWN
from semiseg.data.layouts import LAYOUTS, manifest
from semiseg.data.preparation import Preparation
from semiseg.errors import DataError

SLICE, VOLUME = "patient001_frame01_slice_1", "patient002_frame01"
LABELS = {"labels": {"background": 0, "x": 1}}
LISTED = {"training": [{"image": "imagesTr/a.nii.gz", "label": "labelsTr/a.nii.gz"}], "test": ["imagesTs/b.nii.gz"]}
BRATS = [f"{name}/{name}_{part}.nii.gz" for name in "ab" for part in ("flair", "t1", "t1ce", "t2", "seg")]
FOLDERS: dict[str, tuple[str, str, list[str], dict[str, str]]] = {
    "manifest": ("a", "b", ["images/a.nii.gz", "images/b.nii.gz"], {"manifest.csv": "image,split\nimages/a.nii.gz,\nimages/b.nii.gz,test"}),
    "LA": ("a", "b", [f"2018LA_Seg_Training Set/{name}/mri_norm2.h5" for name in "ab"], {"train.list": "a", "test.list": "b"}),
    "ACDC": (
        SLICE,
        VOLUME,
        [f"data/slices/{SLICE}.h5", f"data/{VOLUME}.h5", "data/patient003_frame01.h5"],
        {"train_slices.list": SLICE, "val.list": "patient003_frame01", "test.list": VOLUME},
    ),
    "BraTS 2019 (h5)": ("BraTS19_a", "b", ["data/BraTS19_a.h5", "data/b.h5"], {"train.txt": "BraTS19_a", "test.txt": "b"}),
    "nnU-Net raw (dataset.json)": ("a", "b", ["imagesTr/a_0000.nii.gz", "imagesTs/b_0000.nii.gz"], {"dataset.json": json.dumps(LABELS)}),
    "Medical Segmentation Decathlon (dataset.json)": (
        "a",
        "b",
        ["imagesTr/a.nii.gz", "labelsTr/a.nii.gz", "imagesTs/b.nii.gz"],
        {"dataset.json": json.dumps({**LABELS, **LISTED})},
    ),
    "BraTS folders": ("a", "b", BRATS, {"test.list": "b"}),
    "h5 files and lists": ("a", "b", ["data/a.h5", "data/b.h5"], {"train.txt": "a", "test.txt": "b"}),
    "images/ and labels/": ("a", "b", ["images/a.nii.gz", "images/b.nii.gz"], {"test.list": "b"}),
}
"""Layout -> a case for training, one for testing, their files, and what else lies there."""


def make(layout: str, folder: Path) -> tuple[str, str]:
    """A folder of this layout; the ids of its cases."""
    train, test, scans, texts = FOLDERS[layout]
    for scan in scans:
        path, values = folder / scan, np.arange(60, dtype=np.float32).reshape(3, 4, 5)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".h5":
            with h5py.File(path, "w") as file:
                file["image"], file["label"] = (values[0],) * 2 if "slices" in scan else (values,) * 2
        else:
            write_label(path, values, Geometry())
    for name, text in texts.items():
        (folder / name).write_text(f"{text}\n")
    return train, test


@pytest.mark.parametrize("layout", [layout.TITLE for layout in (manifest, *KNOWN, *LAYOUTS)])
def test_a_description_is_heard_in_every_layout(layout: str, tmp_path: Path) -> None:
    train, test = make(layout, tmp_path)
    before = open_folder(tmp_path)
    assert before.layout == layout

    def say(text: str) -> None:
        (tmp_path / "dataset.yaml").write_text(text)

    say("name: mine\nclasses: [one, two]\nlabel_map: {7: 2}\npreparation: {clip: [0, 9]}\n")
    dataset = open_folder(tmp_path)
    assert (dataset.name, dataset.classes, dataset.train[0].label_map[7]) == ("mine", ("one", "two"), 2)
    assert dataset.preparation == before.preparation.model_copy(update={"clip": (0, 9)})  # nobody said that the rest is otherwise
    say(f"groups: {{{train}: p, {test}: p}}\n")
    with pytest.raises(DataError, match="group 'p' has cases in both train and test"):
        open_folder(tmp_path)
    say(f"groups: {{{train}x: p}}\n")
    with pytest.raises(DataError, match=rf"dataset\.yaml: groups name '{train}x', and no scan"):
        open_folder(tmp_path)
    say("slice_axis: 1\n")
    with pytest.raises(DataError, match=r"dataset\.yaml: slice_axis says how the labeled_slices of a manifest are counted"):
        open_folder(tmp_path)


def test_a_preparation_that_a_known_set_cannot_have_is_refused(tmp_path: Path) -> None:
    make("ACDC", tmp_path)
    (tmp_path / "dataset.yaml").write_text("preparation: {spacing: [1, 1]}\n")
    with pytest.raises(
        DataError, match=r"dataset\.yaml: preparation: spacing and resize are two ways .* come with .*'resize': \(256, 256\)"
    ):
        open_folder(tmp_path)
    (tmp_path / "dataset.yaml").write_text("preparation: {spacing: [1, 1], resize: null}\n")
    assert open_folder(tmp_path).preparation.slice_axis == 0


def test_a_scan_on_no_list_may_have_a_group(tmp_path: Path) -> None:
    make("images/ and labels/", tmp_path)
    (tmp_path / "train.list").write_text("a\n")
    write_label(tmp_path / "images" / "c.nii.gz", np.ones((3, 4, 5)), Geometry())
    (tmp_path / "dataset.yaml").write_text("groups: {a: p, c: p}\n")
    assert [case.group for case in open_folder(tmp_path).train] == ["p"]


def test_a_description_must_agree_with_the_manifest_beside_it(tmp_path: Path) -> None:
    make("images/ and labels/", tmp_path)
    (tmp_path / "dataset.yaml").write_text("classes: [x]\nignore: 9\ngroups: {a: p}\npreparation: {normalize: none}\n")
    manifest.write(open_folder(tmp_path), tmp_path / "manifest.csv")
    dataset = open_folder(tmp_path)
    assert (dataset.layout, dataset.classes, dataset.train[0].group) == ("manifest", ("x",), "p")
    assert (dataset.train[0].label_map, dataset.preparation) == ({9: -1}, Preparation(normalize="none"))
    for text, message in (
        ("classes: [y]", r"manifest\.csv: classes is \('x',\), and \('y',\) in .*dataset\.yaml"),
        ("label_map: {9: 1}", "label_map of 9 is ignore, and 1 in"),
        ("preparation: {normalize: zscore}", "preparation.normalize is none, and zscore in"),
        ("groups: {a: q}", r"says that a is of the group 'p', and .*dataset\.yaml that it is of 'q'"),
    ):
        (tmp_path / "dataset.yaml").write_text(text)
        with pytest.raises(DataError, match=message):
            open_folder(tmp_path)
