"""One data set in several layouts is one data set."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from semiseg.case import Array, Case, Geometry
from semiseg.data.dataset import Dataset
from semiseg.data.folder import open_folder
from semiseg.data.formats import nifti, write_label
from semiseg.data.labels import STORED_IGNORE
from semiseg.data.layouts import manifest
from semiseg.data.preparation import Preparation
from semiseg.data.prepare import prepare
from semiseg.errors import DataError

VOXELS = np.arange(60).reshape(3, 4, 5)


def scan(path: Path, values: Array = VOXELS) -> Path:
    write_label(path, values, Geometry())
    return path


def parts(dataset: Dataset) -> dict[str, tuple[Case, ...]]:
    return {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}


def facts(dataset: Dataset, files: bool = True) -> object:
    """Everything that a data set says, in an order of its own; without the names of files where they must differ."""

    def of(case: Case) -> tuple[object, ...]:
        label = case.label.absolute() if isinstance(case.label, Path) else case.label
        images = tuple(image.absolute() for image in case.images if isinstance(image, Path))
        return (case.id, case.group, case.spacing, dict(case.label_map), *((images, label) if files else (len(images), label is not None)))

    said = (dataset.named, dataset.dimensions, dataset.spacing_known, dataset.preparation)
    return said, {part: sorted(map(of, cases), key=str) for part, cases in parts(dataset).items()}


@pytest.fixture
def numbered(tmp_path: Path) -> Path:
    """nnU-Net raw: a, b with labels, c without, two modalities each; t for testing."""
    for name, part in (("a", "Tr"), ("b", "Tr"), ("c", "Tr"), ("t", "Ts")):
        for modality in range(2):
            scan(tmp_path / f"images{part}" / f"{name}_000{modality}.nii.gz", VOXELS + modality)
        if name != "c":
            scan(tmp_path / f"labels{part}" / f"{name}.nii.gz", VOXELS % 3)
    labels = {"background": 0, "left": 1, "right": 2}
    (tmp_path / "dataset.json").write_text(
        json.dumps({"channel_names": {"0": "T1", "1": "T2"}, "labels": labels, "file_ending": ".nii.gz"})
    )
    return tmp_path


def relabel(folder: Path, labels: dict[str, object]) -> None:
    content = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    (folder / "dataset.json").write_text(json.dumps({**content, "labels": labels}))


def test_nnunet_raw(numbered: Path) -> None:
    dataset = open_folder(numbered)
    assert dataset.layout == "nnU-Net raw (dataset.json)"
    assert [(case.id, len(case.images), case.label is None) for case in dataset.train] == [("a", 2, False), ("b", 2, False), ("c", 2, True)]
    assert [image.name for image in dataset.train[0].images if isinstance(image, Path)] == ["a_0000.nii.gz", "a_0001.nii.gz"]
    assert [(case.id, case.label is None) for case in dataset.test] == [("t", False)]
    assert dataset.classes == ("left", "right")
    prepared = prepare(dataset.train, Preparation(normalize="none"), 3, numbered / "cache")[0]
    assert prepared.image.shape == (2, 3, 4, 5)
    assert (prepared.image[1] - prepared.image[0] == 1).all()


def test_labels_of_dataset_json(numbered: Path) -> None:
    relabel(numbered, {"0": "background", "2": "right", "7": "rare"})  # version 1, with a gap
    dataset = open_folder(numbered)
    assert (dataset.named, dataset.train[0].label_map) == (("right", "rare"), {2: 1, 7: 2})
    relabel(numbered, {"background": 0, "left": 1, "ignore": 2})
    dataset = open_folder(numbered)
    assert dataset.named == ("left",)
    labels = [item.label for item in prepare(dataset.train, Preparation(), 2, numbered / "cache")]
    assert {int(value) for label in labels if label is not None for value in np.unique(label)} == {0, 1, STORED_IGNORE}
    relabel(numbered, {"background": 0, "whole": [1, 2], "core": 2})
    with pytest.raises(DataError, match=r"dataset\.json: label 'whole' has the value \[1, 2\]"):
        open_folder(numbered)
    relabel(numbered, {"background": 0})
    with pytest.raises(DataError, match="names no class"):
        open_folder(numbered)


def test_a_missing_modality_is_named(numbered: Path) -> None:
    (numbered / "imagesTr" / "b_0001.nii.gz").unlink()
    with pytest.raises(DataError, match=r"imagesTr: case 'b' has no modality 0001"):
        open_folder(numbered)


def test_decathlon(tmp_path: Path) -> None:
    for name in "ab":
        scan(tmp_path / "imagesTr" / f"{name}.nii.gz")
    scan(tmp_path / "labelsTr" / "a.nii.gz", VOXELS % 2)
    scan(tmp_path / "imagesTs" / "t.nii.gz")
    training = [{"image": "./imagesTr/b.nii.gz"}, {"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}]
    content = {"name": "Toy", "modality": {"0": "MRI"}, "labels": {"0": "background", "1": "spleen"}, "training": training}
    (tmp_path / "dataset.json").write_text(json.dumps({**content, "test": ["./imagesTs/t.nii.gz"]}))
    dataset = open_folder(tmp_path)
    assert (dataset.layout, dataset.name, dataset.named) == ("Medical Segmentation Decathlon (dataset.json)", "Toy", ("spleen",))
    assert [(case.id, case.label is None) for case in (*dataset.train, *dataset.test)] == [("b", True), ("a", False), ("t", True)]


def test_decathlon_modalities_lie_along_the_fourth_axis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = np.stack([VOXELS, 100 - VOXELS], axis=-1)
    scan(tmp_path / "imagesTr" / "a.nii.gz", both)
    scan(tmp_path / "labelsTr" / "a.nii.gz", VOXELS % 2)
    content = {"labels": {"0": "background", "1": "tumor"}, "training": [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}]}
    (tmp_path / "dataset.json").write_text(json.dumps({**content, "modality": {"0": "T1", "1": "T2"}}))
    dataset = open_folder(tmp_path)
    (case,) = dataset.train
    assert (case.id, [str(source) for source in case.images]) == ("a", [f"{tmp_path / 'imagesTr/a.nii.gz'}[{k}]" for k in (0, 1)])
    readings: list[Path] = []
    read = nifti.read_image

    def counted(path: Path) -> tuple[Array, Geometry]:
        readings.append(path)
        return read(path)

    monkeypatch.setattr(nifti, "read_image", counted)
    raw = prepare([case.unlabeled()], Preparation(normalize="none"), 2, tmp_path / "cache")[0].image
    assert np.array_equal(raw, np.moveaxis(both, -1, 0))
    assert len(readings) == 1  # not once a channel
    turned = replace(case, images=case.images[::-1], label=None)
    assert np.array_equal(prepare([turned], Preparation(normalize="none"), 2, tmp_path / "cache")[0].image, raw[::-1])
    manifest.write(dataset, tmp_path / "table.csv")
    assert "imagesTr/a.nii.gz[0];imagesTr/a.nii.gz[1]" in (tmp_path / "table.csv").read_text(encoding="utf-8")
    assert [again.images for again in open_folder(tmp_path / "table.csv").train] == [case.images]
    (tmp_path / "dataset.json").write_text(json.dumps({**content, "modality": {"0": "T1", "1": "T2", "2": "FLAIR"}}))
    with pytest.raises(DataError, match=r"a\.nii\.gz\[2\]: there is no such channel in a file of shape"):
        prepare(open_folder(tmp_path).train, Preparation(), 2, tmp_path / "cache")
    (tmp_path / "dataset.json").write_text(json.dumps({**content, "modality": {"0": "cine MR"}}))  # a time series
    with pytest.raises(DataError, match="4 axes"):
        open_folder(tmp_path)


def test_brats(tmp_path: Path) -> None:
    for name, grade in (("BraTS19_B", "HGG"), ("BraTS19_A", "LGG")):
        for part in ("t1", "t1ce", "t2", "flair", "seg"):
            values = np.array([0, 1, 2, 4])[VOXELS % 4] if part == "seg" else VOXELS
            scan(tmp_path / grade / name / f"{name}_{part}.nii.gz", values)
    (tmp_path / "LGG" / "BraTS19_A" / "BraTS19_A_seg.nii.gz").unlink()
    dataset = open_folder(tmp_path)
    assert [(case.id, len(case.images), case.label is None) for case in dataset.train] == [("BraTS19_A", 4, True), ("BraTS19_B", 4, False)]
    assert dataset.named == ("necrotic and non-enhancing core", "edema", "enhancing tumor")
    label = prepare(dataset.train[1:], Preparation(), 4, tmp_path / "cache")[0].label
    assert label is not None
    assert np.array_equal(label, VOXELS % 4)  # 4 has become 3
    whole = dataset.relabeled({2: 1, 4: 1})
    assert whole.named == ("necrotic and non-enhancing core + edema + enhancing tumor",)
    (tmp_path / "test.list").write_text("BraTS19_B\n")
    assert [case.id for case in open_folder(tmp_path).test] == ["BraTS19_B"]
    (tmp_path / "LGG" / "BraTS19_A" / "BraTS19_A_t2.nii.gz").unlink()
    with pytest.raises(DataError, match="case 'BraTS19_A' has no modality t2"):
        open_folder(tmp_path)


def test_h5_files_and_lists(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in "abc":
        with h5py.File(tmp_path / "data" / f"{name}.h5", "w") as file:
            file["image"], file["label"] = VOXELS.astype(np.float32), VOXELS % 2
    (tmp_path / "train.txt").write_text("c\na,1\n")
    (tmp_path / "val.txt").write_text("b\n")
    dataset = open_folder(tmp_path)
    assert [case.id for case in dataset.train] == ["c", "a"]
    assert [case.id for case in dataset.validation] == ["b"]
    assert (dataset.preparation.normalize, dataset.spacing_known, dataset.classes) == ("none", False, ("class_1",))
    (tmp_path / "dataset.yaml").write_text("preparation: {normalize: zscore}\n")
    assert open_folder(tmp_path).preparation.normalize == "zscore"
    (tmp_path / "test.list").write_text("z\n")
    with pytest.raises(DataError, match=r"test\.list: names 'z'.*1 of 1"):
        open_folder(tmp_path)


def test_numbers_are_modalities_only_where_the_labels_say_so(tmp_path: Path) -> None:
    for name in ("p_0000", "p_0001", "q_0000", "q_0001"):
        scan(tmp_path / "images" / f"{name}.nii.gz")
    scan(tmp_path / "labels" / "p_0001.nii.gz")
    assert [case.id for case in open_folder(tmp_path).train] == ["p_0000", "p_0001", "q_0000", "q_0001"]
    (tmp_path / "labels" / "p_0001.nii.gz").rename(tmp_path / "labels" / "p.nii.gz")
    assert [(case.id, len(case.images)) for case in open_folder(tmp_path).train] == [("p", 2), ("q", 2)]


def test_most_labels_say_whether_numbers_are_modalities(tmp_path: Path) -> None:
    for name in "pqr":
        for modality in range(2):
            scan(tmp_path / "images" / f"{name}_000{modality}.nii.gz")
        scan(tmp_path / "labels" / f"{name}.nii.gz")
    (tmp_path / "images" / "r_0001.nii.gz").rename(tmp_path / "images" / "r.nii.gz")
    with pytest.raises(DataError, match=r"r\.nii\.gz: the name has no modality; expected for instance r_0000\.nii\.gz"):
        open_folder(tmp_path)
    (tmp_path / "images" / "r.nii.gz").rename(tmp_path / "images" / "r_0001.nii.gz")
    (tmp_path / "labels" / "q.nii.gz").rename(tmp_path / "labels" / "q_0000.nii.gz")
    with pytest.raises(DataError, match=r"q_0000\.nii\.gz: .*rename it to q\.nii\.gz"):
        open_folder(tmp_path)
    for name in ("p", "r"):  # one file a number: time points, each with a label but one that is misnamed
        (tmp_path / "labels" / f"{name}.nii.gz").rename(tmp_path / "labels" / f"{name}_0001.nii.gz")
    assert len(open_folder(tmp_path).train) == 6
    (tmp_path / "labels" / "r_0001.nii.gz").rename(tmp_path / "labels" / "r.nii.gz")
    with pytest.raises(DataError, match=r"r\.nii\.gz: label without an image \(1 of 3 labels\)"):
        open_folder(tmp_path)


def test_dataset_yaml_renumbers_labels(tmp_path: Path) -> None:
    scan(tmp_path / "images" / "a.nii.gz")
    scan(tmp_path / "labels" / "a.nii.gz", 255 * (VOXELS % 2))
    (tmp_path / "dataset.yaml").write_text("label_map: {255: 1}\npreparation: {normalize: none}\n")
    dataset = open_folder(tmp_path)
    assert (dataset.classes, dataset.preparation.normalize) == (("class_1",), "none")
    assert "label values 255 as 1" in dataset.summary()


@pytest.mark.parametrize("name", ["manifest.csv", "elsewhere/table.csv", "table.yaml"])
def test_a_manifest_loads_to_the_data_set_that_it_was_written_from(numbered: Path, name: str) -> None:
    relabel(numbered, {"background": 0, "left, or so": 1, "right": 7})
    dataset = open_folder(numbered)
    dataset = replace(dataset, preparation=Preparation(normalize="none", slice_axis=1), name="a: b")
    manifest.write(dataset, numbered / name)
    back = open_folder(numbered / name)
    assert facts(back) == facts(dataset)
    assert (back.name, back.layout) == ("a: b", "manifest")
    if name == "manifest.csv":
        assert open_folder(numbered).layout == "manifest"  # believed before dataset.json
        assert "imagesTr/a_0000.nii.gz;imagesTr/a_0001.nii.gz,labelsTr/a.nii.gz,,train" in (numbered / name).read_text(encoding="utf-8")


def test_a_manifest_survives_a_spreadsheet(numbered: Path) -> None:
    dataset = open_folder(numbered)
    manifest.write(dataset, numbered / "manifest.csv")
    with (numbered / "manifest.csv").open(newline="") as file:
        rows = [[*row, "", ""] for row in csv.reader(file)]
    with (numbered / "manifest.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=";").writerows(rows)  # as spreadsheets of some countries save it
    assert facts(open_folder(numbered)) == facts(dataset)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,lable\na.nii,b.nii\n", r"unknown column 'lable' \(did you mean 'label'\?\)"),
        ("id,label\na,b.nii\n", "has no column 'image'"),
        ("image,split\na.nii,trian\n", "line 2: split: 'trian' is none of train, val, test"),
        ("image,label\na.nii,\n ,b.nii\n", "line 3: image: names no file"),
        ("# a note\nimage\na.nii\n", "lines that begin with #"),
        ("image\n", "names no case"),
        ("image,label\na.nii,\nb.nii,b,c.nii\n", r"m\.csv: line 3: cell 3 \('c\.nii'\) is one more than there are columns \(2\)"),
        ("# groups: {a: p}\nimage\na.nii\n", "groups: a manifest says them case by case"),
        ("image\nmissing.nii\n", r"missing\.nii: no such file"),
    ],
)
def test_slips_in_a_manifest_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        open_folder(tmp_path / "m.csv")


def test_a_manifest_is_not_overwritten_and_holds_files_alone(numbered: Path) -> None:
    dataset = open_folder(numbered)
    (numbered / "mine.csv").write_text("edited by hand")
    with pytest.raises(DataError, match=r"mine\.csv: exists already"):
        manifest.write(dataset, numbered / "mine.csv")
    with pytest.raises(DataError, match="expected a name that ends with"):
        manifest.write(dataset, numbered / "mine.xlsx")
    with pytest.raises(DataError, match="arrays in memory"):
        manifest.write(Dataset("toy", None, (Case("a", (VOXELS,)),)), numbered / "arrays.csv")


def test_known_sets_come_back_from_their_manifests(la_folder: Path, acdc_folder: Path, tmp_path: Path) -> None:
    for name, folder in (("la.yaml", la_folder), ("acdc.csv", acdc_folder)):
        dataset = open_folder(folder)
        manifest.write(dataset, tmp_path / name)
        back = open_folder(tmp_path / name)
        assert (facts(back), back.name) == (facts(dataset), dataset.name)


def test_hippocampus_is_one_data_set_in_three_layouts(hippocampus_folder: Path, tmp_path: Path) -> None:
    plain = open_folder(hippocampus_folder)
    for part, cases in (("Tr", plain.train), ("Ts", plain.test)):
        (tmp_path / "nnunet" / f"images{part}").mkdir(parents=True)
        (tmp_path / "nnunet" / f"labels{part}").mkdir()
        for case in cases:
            (tmp_path / "nnunet" / f"images{part}" / f"{case.id}_0000.nii.gz").symlink_to(str(case.images[0]))
            (tmp_path / "nnunet" / f"labels{part}" / f"{case.id}.nii.gz").symlink_to(str(case.label))
    (tmp_path / "nnunet" / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "class_1": 1, "class_2": 2}}))
    manifest.write(plain, tmp_path / "table.csv")
    raw, table = open_folder(tmp_path / "nnunet"), open_folder(tmp_path / "table.csv")
    assert facts(table) == facts(plain)
    named = plain.with_classes(("class_1", "class_2"))
    assert facts(raw, files=False) == facts(named, files=False)
    some = {case.id for case in plain.train[::13]}  # 16 of 208: the reader is the same for all
    for dataset in (raw, table):
        few = {case.id: case for case in dataset.train if case.id in some}
        prepared = prepare([few[name] for name in sorted(some)], Preparation(), 3, tmp_path / "cache")
        expected = prepare(
            [case for case in sorted(plain.train, key=lambda c: c.id) if case.id in some], Preparation(), 3, tmp_path / "cache"
        )
        assert [item.id for item in prepared] == sorted(some)
        for one, other in zip(prepared, expected, strict=True):
            assert np.array_equal(one.image, other.image)
            assert np.array_equal(np.asarray(one.label), np.asarray(other.label))
