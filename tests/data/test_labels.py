"""Label files whose values are not 0, 1, 2, ..."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from semiseg.case import Case, Geometry
from semiseg.data.dataset import Dataset, find_classes
from semiseg.data.formats import write_label
from semiseg.data.labels import mapped_names, read_classes, renumbered, way_out
from semiseg.data.preparation import Preparation
from semiseg.data.prepare import prepare
from semiseg.errors import DataError
from semiseg.evaluation.evaluate import Pair, evaluate


def test_values_change_places_all_at_once_and_others_stay() -> None:
    label = np.array([[0, 1, 2, 3]], np.uint8)
    assert renumbered(label, {1: 2, 2: 1}).tolist() == [[0, 2, 1, 3]]
    assert renumbered(np.array([[-1, 0, 5]], np.int8), {-1: 0, 5: 255}).tolist() == [[0, 0, 255]]
    assert renumbered(label, {}) is label


@pytest.mark.parametrize(
    ("values", "classes", "option"),
    [
        ({0, 255}, None, "255:1"),
        ({-1, 0, 2, 7}, None, "-1:0,2:1,7:2"),
        ({0, 1, 255}, 3, "255:2"),  # 2 is free
        ({0, 1, 255}, 2, "255:0"),  # no class is free: dropped
        ({0, 100, 255}, 3, "100:1,255:2"),
    ],
)
def test_the_way_out_is_an_option_to_copy(values: set[int], classes: int | None, option: str) -> None:
    assert way_out(values, classes) == f"Map them, for instance with --label-map {option}"


def test_the_way_out_keeps_what_was_mapped_already(tmp_path: Path) -> None:
    assert way_out({0, 1, 2, 7}, label_map={7: 3, 9: -1, 1: 0}) == "Map them, for instance with --label-map 1:0,2:1,7:2,9:ignore"
    label = np.arange(8).reshape(2, 4) % 3  # 0, 1, 2: nothing would be left to advise without the map
    with pytest.raises(DataError, match=r"--label-map 1:0,2:1, or name"):
        find_classes([Case("a", (label,), label, label_map={1: 0})])
    with pytest.raises(DataError, match=r"--label-map 1:1,2:1, or name"):
        find_classes([Case("a", (label,), label, label_map={1: 2, 2: 2})])
    with pytest.raises(DataError, match=r"--label-map 1:1,2:2, or name"):
        find_classes([Case("a", (label,), label, label_map={1: 0, 2: 0})])
    write_label(tmp_path / "a.nii.gz", np.arange(64).reshape(4, 4, 4), Geometry())
    write_label(tmp_path / "mask.nii.gz", 7 * (np.arange(64).reshape(4, 4, 4) % 2), Geometry())
    mapped = Case("a", (tmp_path / "a.nii.gz",), tmp_path / "mask.nii.gz", label_map={7: 3})
    with pytest.raises(DataError, match=r"\{0, 3\}; expected 0\.\.1\. .*--label-map 3:1,7:1, or"):
        prepare([mapped], Preparation(), 2, tmp_path / "cache")


def test_names_move_with_their_values_and_join_where_classes_do() -> None:
    tumor = ("core", "edema", "enhancing")  # files hold 1, 2, 4
    assert mapped_names(tumor, {4: 3}, {4: 1, 2: 1}) == ("core + edema + enhancing",)
    assert mapped_names(tumor, {4: 3}, {4: 2, 1: 2, 2: 1}) == ("edema", "core + enhancing")
    assert mapped_names(tumor, {4: 3}, {1: 0, 4: 1}) == ("enhancing", "edema")
    assert mapped_names(tumor, {4: 3}, {4: 3, 2: 0}) is None  # 1 and 3 are left


def case(folder: Path) -> Case:
    """A mask as image programs save it: 0 and 255."""
    write_label(folder / "a.nii.gz", np.arange(64).reshape(4, 4, 4), Geometry())
    write_label(folder / "mask.nii.gz", np.where(np.arange(64).reshape(4, 4, 4) > 40, 255, 0), Geometry())
    return Case("a", (folder / "a.nii.gz",), folder / "mask.nii.gz")


def test_a_mask_of_255_is_trained_on_and_scored_as_class_1(tmp_path: Path) -> None:
    plain = case(tmp_path)
    with pytest.raises(DataError, match=r"mask.nii.gz.*\{0, 255\}.*--label-map 255:1"):
        find_classes([plain])
    with pytest.raises(DataError, match=r"\{0, 255\}; expected 0\.\.1\. .*--label-map 255:1"):
        prepare([plain], Preparation(), 2, tmp_path / "cache")
    mapped = Dataset("toy", None, (plain,)).relabeled({255: 1}).train[0]
    assert find_classes([mapped]) == ("class_1",)
    label = prepare([mapped], Preparation(), 2, tmp_path / "cache")[0].label
    assert label is not None
    assert label.sum() == 23  # 41..63
    assert mapped.label is not None
    assert np.array_equal(read_classes(mapped.label, mapped.label_map), label)
    write_label(tmp_path / "prediction.nii.gz", label, Geometry())
    with pytest.raises(DataError, match="--label-map 255:1"):
        evaluate([Pair("a", tmp_path / "prediction.nii.gz", tmp_path / "mask.nii.gz")], ["thing"])
    pair = Pair("a", tmp_path / "prediction.nii.gz", tmp_path / "mask.nii.gz", label_map=mapped.label_map)
    assert evaluate([pair], ["thing"]).cases[0].classes[0].dice == 1


def test_another_map_is_another_prepared_label(tmp_path: Path) -> None:
    dataset = Dataset("toy", None, (case(tmp_path),))
    one, two = (prepare(dataset.relabeled({255: k}).train, Preparation(), 3, tmp_path / "cache")[0].label for k in (1, 2))
    assert one is not None
    assert two is not None
    assert (one.max(), two.max()) == (1, 2)


def test_a_map_of_the_user_goes_before_that_of_the_data_set(tmp_path: Path) -> None:
    dataset = Dataset("toy", ("low", "high"), (case(tmp_path),)).relabeled({255: 2})
    assert dataset.relabeled({255: 1}).train[0].label_map == {255: 1}
    assert dataset.relabeled({}) is dataset
