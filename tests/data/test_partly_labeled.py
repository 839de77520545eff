"""Scans of which somebody labelled a part."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from semiseg.case import IGNORE, Array, Case, Geometry, LabeledPart
from semiseg.data.arrays import from_arrays
from semiseg.data.augment import Augmentation
from semiseg.data.bank import Bank, pools
from semiseg.data.dataset import Dataset, find_classes
from semiseg.data.folder import open_folder
from semiseg.data.formats import write_label
from semiseg.data.inspection import inspect
from semiseg.data.labels import STORED_IGNORE, classes_of, labeled_box, mapped_names
from semiseg.data.layouts import manifest
from semiseg.data.layouts.ranges import parse_range, written_ranges
from semiseg.data.loader import Loader
from semiseg.data.preparation import Preparation
from semiseg.data.prepare import prepare
from semiseg.data.sampling import draw, draw_start, generator
from semiseg.errors import DataError

SHAPE = (12, 10, 16)


def label_values() -> Array:
    """Background, and class 1 in a box that reaches over slices 2..13 of the last axis. (12, 10, 16) uint8"""
    label = np.zeros(SHAPE, np.uint8)
    label[3:9, 3:7, 2:14] = 1
    return label


def case(name: str = "a", label: Array | None = None, **said: object) -> Case:
    image = np.random.default_rng(len(name)).normal(size=SHAPE).astype(np.float32)
    return replace(Case(name, (image,), label_values() if label is None else label), **said)  # type: ignore[arg-type]


def test_a_value_may_stand_for_ignored() -> None:
    label = np.array([[0, 1, 255]], np.uint8)
    assert classes_of(label, {255: IGNORE}).tolist() == [[0, 1, -1]]
    assert classes_of(label, {255: IGNORE, 1: 2}).tolist() == [[0, 2, -1]]
    assert classes_of(label, {}) is label
    assert classes_of(np.array([[0, 1, -1]], np.int8), {-1: IGNORE}).tolist() == [[0, 1, -1]]


def test_arrays_in_memory_may_be_labelled_in_part() -> None:
    dataset = from_arrays({"a": np.zeros((4, 4)), "b": np.ones((4, 4))}, {"a": np.full((4, 4), 7)}, ignore=7)
    assert [item.partly_labeled for item in dataset.train] == [True, False]
    assert dataset.train[0].label_map == {7: IGNORE}


def test_minus_one_is_not_taken_for_ignored_unless_that_is_said() -> None:
    with pytest.raises(DataError, match=r"x.nii: label holds -1, .*--label-map -1:0 .*-1:ignore"):
        classes_of(np.array([[0, -1]], np.int16), {5: IGNORE}, name="x.nii")


def test_slices_and_values_say_what_counts() -> None:
    label = np.arange(8, dtype=np.uint8).reshape(2, 2, 2) % 3  # [[[0, 1], [2, 0]], [[1, 2], [0, 1]]]
    assert classes_of(label, {}, LabeledPart(slices=(1,))).tolist() == [[[-1, 1], [-1, 0]], [[-1, 2], [-1, 1]]]
    assert classes_of(label, {}, LabeledPart(slices=(0,), axis=0)).tolist() == [[[0, 1], [2, 0]], [[-1, -1], [-1, -1]]]
    assert classes_of(label, {2: 5}, LabeledPart(values=(0, 2))).tolist() == [[[0, -1], [5, 0]], [[-1, 5], [0, -1]]]
    with pytest.raises(DataError, match=r"y: labeled_slices names slice 2; expected 0\.\.1 along axis 2\..*slice_axis"):
        classes_of(label, {}, LabeledPart(slices=(0, 2)), "y")
    with pytest.raises(DataError, match="names slices of a scan that has 2 axes"):
        classes_of(label[0], {}, LabeledPart(slices=(0,)))


def test_classes_are_found_in_what_counts_alone() -> None:
    label = label_values()
    label[0, 0, 0] = 9
    with pytest.raises(DataError, match=r"\{0, 1, 9\}"):
        find_classes([case(label=label)])
    for said in ({"label_map": {9: IGNORE}}, {"labeled_part": LabeledPart(slices=(4, 5))}, {"labeled_part": LabeledPart(values=(0, 1))}):
        assert find_classes([case(label=label, **said)]) == ("class_1",)
    assert mapped_names(("liver", "rest"), {}, {2: IGNORE}) == ("liver",)


def test_a_prepared_label_keeps_what_is_ignored_through_resampling_and_slicing() -> None:
    part = case(labeled_part=LabeledPart(slices=(4, 5, 6, 7)))
    (item,) = prepare([part], Preparation(), 2)
    assert item.label is not None
    assert item.labeled_box == ((0, 12), (0, 10), (4, 8))
    assert (item.label[..., 4:8] == label_values()[..., 4:8]).all()
    assert (item.label[..., :4] == STORED_IGNORE).all()
    (half,) = prepare([replace(part, spacing=(1.0, 1.0, 1.0))], Preparation(spacing=(2.0, 2.0, 2.0)), 2)
    assert half.label is not None
    assert sorted(np.unique(half.label)) == [0, 1, STORED_IGNORE]
    assert half.labeled_box == ((0, 6), (0, 5), (2, 4))


def test_a_label_of_which_nothing_counts_is_refused_with_the_way_out() -> None:
    with pytest.raises(DataError, match=r"a.*: no voxel is labelled\. Leave the label out"):
        prepare([case(label_map={0: IGNORE, 1: IGNORE})], Preparation(), 2)
    single = case(labeled_part=LabeledPart(slices=(7,)), spacing=(1.0, 1.0, 1.0))
    with pytest.raises(
        DataError, match=r"a.*: its labelled voxels lie between those of the resampled scan\. Make preparation\.spacing finer"
    ):
        prepare([single], Preparation(spacing=(1.0, 1.0, 4.0)), 2)  # it takes slices 2, 6, 10 and 14
    with pytest.raises(DataError, match=r"256 classes with the background; at most 255"):
        prepare([case()], Preparation(), 256)


def test_a_partly_labelled_scan_is_in_both_pools_and_others_in_one() -> None:
    partly = case("partly", labeled_part=LabeledPart(slices=(3,)))
    nothing_ignored = case("whole", label_map={255: IGNORE})
    labeled, unlabeled = pools(prepare([partly, nothing_ignored, case("none").unlabeled()], Preparation(), 2))
    assert [item.id for item in labeled] == ["partly", "whole"]
    assert [item.id for item in unlabeled] == ["partly", "none"]
    assert all(item.label is None for item in unlabeled)
    assert (partly.partly_labeled, nothing_ignored.partly_labeled, partly.unlabeled().partly_labeled) == (True, True, False)


def test_in_a_2d_model_a_slice_without_labelled_voxels_is_an_unlabelled_one() -> None:
    label = label_values()
    label[:6, :, 5] = 255
    both = case(label=label, label_map={255: IGNORE}, labeled_part=LabeledPart(slices=(4, 5)))
    labeled, unlabeled = pools(prepare([both], Preparation(slice_axis=2), 2))
    assert [item.id for item in labeled] == ["a#4", "a#5"]
    assert [item.labeled_box for item in labeled] == [None, ((6, 12), (0, 10))]
    assert [item.id for item in unlabeled] == [f"a#{k}" for k in range(16) if k != 4]


def test_the_box_is_of_the_labelled_voxels() -> None:
    label = np.full((4, 5), STORED_IGNORE, np.uint8)
    assert labeled_box(label) == ((0, 0), (0, 0))
    label[1, 2] = label[3, 2] = 0
    assert labeled_box(label) == ((1, 4), (2, 3))
    assert labeled_box(np.zeros((4, 5), np.uint8)) is None


def test_a_batch_holds_ignore_where_nobody_labelled_and_background_beyond_the_scan() -> None:
    labeled, unlabeled = pools(prepare([case(labeled_part=LabeledPart(slices=tuple(range(8))))], Preparation(), 2))
    loader = Loader(Bank(labeled), Bank(unlabeled), (16, 16, 16), 1, 1, Augmentation(), 0)
    label = loader(0).labeled.label[0]
    assert label.dtype == torch.int64
    inside = label[2:14, 3:13]  # centred in the patch
    assert torch.equal(inside[..., :8], torch.from_numpy(label_values()[..., :8]).long())
    assert (inside[..., 8:] == IGNORE).all()
    assert (label[:2] == 0).all()


def test_rotated_labels_hold_classes_and_ignore_alone() -> None:
    labeled, _ = pools(prepare([case(labeled_part=LabeledPart(slices=(6, 7, 8)))], Preparation(), 2))
    turned = Loader(Bank(labeled), None, (12, 10, 8), 4, 0, Augmentation(rotate=30, scale=0.2, symmetry="in_plane"), 0)(0).labeled.label
    assert set(turned.flatten().tolist()) == {IGNORE, 0, 1}


@given(st.integers(1, 40), st.integers(1, 20), st.data())
def test_the_middle_of_a_crop_meets_the_labelled_extent_or_the_crop_does_at_the_border(side: int, size: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, side - 1))
    last = data.draw(st.integers(first + 1, side))
    start = draw_start(generator(data.draw(st.integers(0, 99)), "x"), side, size, (first, last))
    assert start < last
    assert start + size > first
    if side >= size:
        assert 0 <= start <= side - size
        middle = (start + size // 4, start + size - size // 4)
        assert (middle[0] < last and middle[1] > first) or start in (0, side - size)


def test_crops_of_a_partly_labelled_scan_hold_labelled_voxels() -> None:
    part = LabeledPart(slices=(7,))
    labeled, _ = pools(prepare([case(labeled_part=part)], Preparation(), 2))
    batch = Loader(Bank(labeled), None, (8, 8, 4), 50, 0, Augmentation(symmetry="in_plane"), 0)(0)
    assert ((batch.labeled.label != IGNORE).flatten(1).sum(1) == 64).all()  # slice 7 of each
    plain = [draw(0, "labeled", 0, slot, 50, [SHAPE], (8, 8, 4)) for slot in range(50)]
    assert plain == [draw(0, "labeled", 0, slot, 50, [SHAPE], (8, 8, 4), boxes=[None]) for slot in range(50)]


def test_ranges_of_slices_are_read_and_written() -> None:
    assert [*parse_range("3-8"), *parse_range("12")] == [3, 4, 5, 6, 7, 8, 12]
    assert written_ranges([12, 3, 4, 5, 6, 7, 8]) == "3-8;12"
    for text in ("8-3", "a", "1.5", "-1", "3-"):
        with pytest.raises(ValueError, match="is no slice and no range"):
            parse_range(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Scans a, b, c; the label of a holds 0, 1, 255, that of b 0, 1."""
    label = label_values()
    for k, name in enumerate("abc"):
        write_label(tmp_path / "images" / f"{name}.nii.gz", np.random.default_rng(k).integers(0, 99, SHAPE), Geometry())
    write_label(tmp_path / "labels" / "b.nii.gz", label, Geometry())
    label[:, :, :8] = 255
    write_label(tmp_path / "labels" / "a.nii.gz", label, Geometry())
    return tmp_path


TABLE = """# classes: [liver]
# ignore: 255
# slice_axis: 1
id,image,label,labeled_slices,labeled_classes
a,images/a.nii.gz,labels/a.nii.gz,,
b,images/b.nii.gz,labels/b.nii.gz,3-5;8,background
c,images/c.nii.gz,,,
"""


def parts(dataset: Dataset) -> list[tuple[str, dict[int, int], LabeledPart]]:
    return [(case.id, dict(case.label_map), case.labeled_part) for case in dataset.train]


def test_a_manifest_says_what_is_labelled_and_is_written_as_it_was_read(folder: Path) -> None:
    (folder / "manifest.csv").write_text(TABLE)
    dataset = open_folder(folder)
    whole, some = LabeledPart(), LabeledPart((3, 4, 5, 8), 1, (0,))
    assert parts(dataset) == [("a", {255: IGNORE}, whole), ("b", {255: IGNORE}, some), ("c", {255: IGNORE}, whole)]
    assert "3 training cases, 2 with a label (1 of them in part); classes liver; label values 255 as ignore" in dataset.summary()
    for name in ("again.csv", "again.yaml"):
        manifest.write(dataset, folder / name)
        assert parts(open_folder(folder / name)) == parts(dataset)
    assert "b,images/b.nii.gz,labels/b.nii.gz,,train,3-5;8,0" in (folder / "again.csv").read_text(encoding="utf-8")
    a, b, c = prepare(dataset.train, Preparation(), 2, folder / "cache")
    assert a.labeled_box == ((0, 12), (0, 10), (8, 16))
    assert b.label is not None
    assert (b.label[:, [3, 4, 5, 8]] == np.where(label_values()[:, [3, 4, 5, 8]], STORED_IGNORE, 0)).all()
    assert c.label is None


def test_the_same_can_be_said_in_dataset_yaml_and_on_the_command_line(folder: Path) -> None:
    (folder / "dataset.yaml").write_text("ignore: 255\n")
    by_ignore = open_folder(folder)
    (folder / "dataset.yaml").write_text("label_map: {255: ignore}\n")
    by_map = open_folder(folder)
    (folder / "dataset.yaml").unlink()
    assert parts(by_ignore) == parts(by_map) == parts(open_folder(folder).relabeled({255: IGNORE}))
    assert by_ignore.classes == ("class_1",)


def test_classes_are_named_by_name_or_number_and_keep_to_their_values_when_the_map_changes(folder: Path) -> None:
    head = "# classes: [liver, spleen]\n# label_map: {7: 2}\nimage,label,labeled_classes\nimages/b.nii.gz,labels/b.nii.gz,"
    for said in ("spleen;0", "0;2", "background;spleen"):
        (folder / "manifest.csv").write_text(head + said)
        dataset = open_folder(folder)
        assert dataset.train[0].labeled_part.values == (0, 2, 7)  # 7 becomes 2, and 2 stays
        assert dataset.relabeled({7: 1, 1: 2}).train[0].labeled_part.values == (0, 2, 7)
    (folder / "manifest.csv").write_text(head + "spleeen")
    with pytest.raises(
        DataError, match=r"manifest.csv: images/b.nii.gz: labeled_classes: 'spleeen' is no class. .*background, liver, spleen"
    ):
        open_folder(folder)


def test_slices_that_are_none_are_refused_with_their_line(folder: Path) -> None:
    (folder / "manifest.csv").write_text("image,label,labeled_slices\nimages/b.nii.gz,labels/b.nii.gz,8-3\n")
    with pytest.raises(DataError, match=r"manifest.csv: line 2: labeled_slices: '8-3' is no slice and no range of slices.*3-8;12"):
        open_folder(folder)


def test_check_takes_ignored_voxels_for_no_class_and_reports_what_says_nothing(folder: Path) -> None:
    (folder / "manifest.csv").write_text(TABLE)
    found = inspect(open_folder(folder))
    assert [(item.severity, item.kind, item.case) for item in found] == [("warning", "empty label", "b")]  # background alone counts there
    (folder / "manifest.csv").write_text(TABLE.replace("3-5;8", "3-50"))
    assert [(found.kind, found.case) for found in inspect(open_folder(folder))] == [("label values", "b")]  # no slice 50
    (folder / "manifest.csv").write_text(TABLE.replace("# ignore: 255", "# label_map: {0: ignore, 1: ignore, 255: ignore}"))
    assert ("empty label", "a") in [(found.kind, found.case) for found in inspect(open_folder(folder)) if found.severity == "error"]
