"""Data sets and their splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semiseg.case import Array, Case
from semiseg.data.dataset import Dataset, find_classes
from semiseg.errors import DataError


def case(name: str, label: bool = True, group: str = "") -> Case:
    return Case(name, (np.zeros((2, 2)),), np.eye(2) if label else None, group)


def dataset(*train: Case, test: tuple[Case, ...] = ()) -> Dataset:
    return Dataset("toy", ("thing",), train, test=test)


def ids(cases: tuple[Case, ...]) -> list[str]:
    return [case.id for case in cases]


def test_the_first_n_of_those_with_a_label_are_labelled() -> None:
    split = dataset(case("a", label=False), case("b"), case("c"), case("d"), test=(case("t"),)).split(2)
    assert ids(split.labeled) == ["b", "c"]
    assert ids(split.unlabeled) == ["a", "d"]
    assert all(case.label is None for case in split.unlabeled)
    assert ids(split.test) == ["t"]


def test_none_labels_every_case_that_has_a_label() -> None:
    split = dataset(case("a", label=False), case("b"), case("c")).split(None)
    assert (ids(split.labeled), ids(split.unlabeled)) == (["b", "c"], ["a"])


def test_a_budget_counts_patients_not_scans() -> None:
    split = dataset(case("a1", group="a"), case("b1", group="b"), case("a2", group="a")).split(1)
    assert (ids(split.labeled), ids(split.unlabeled)) == (["a1", "a2"], ["b1"])


@given(st.integers(1, 11), st.integers(1, 12), st.integers(0, 50))
def test_draws_are_repeatable_nested_and_keep_every_case(small: int, large: int, draw: int) -> None:
    cases = dataset(*[case(f"{i}", group=f"g{i // 2}") for i in range(24)])
    small, large = min(small, large), max(small, large)
    few, many = cases.split(small, draw), cases.split(large, draw)
    assert len(few.labeled) == 2 * small
    assert set(ids(few.labeled)) <= set(ids(many.labeled))
    assert sorted(ids(many.labeled) + ids(many.unlabeled)) == sorted(ids(cases.train))
    assert ids(few.labeled) == ids(cases.split(small, draw).labeled)


def test_draws_differ() -> None:
    cases = dataset(*[case(f"{i}") for i in range(40)])
    assert len({tuple(ids(cases.split(4, draw).labeled)) for draw in range(20)}) == 20  # of 91390 ways


def test_impossible_splits_say_why() -> None:
    with pytest.raises(DataError, match="no training case has a label"):
        dataset(case("a", label=False)).split(1)
    with pytest.raises(DataError, match=r"3 labelled cases.*1\.\.2"):
        dataset(case("a"), case("b")).split(3)
    with pytest.raises(DataError, match="0 labelled cases"):
        dataset(case("a")).split(0)
    with pytest.raises(DataError, match="a appears more than once"):
        dataset(case("a"), test=(case("a"),))
    with pytest.raises(DataError, match="'p' has cases in both train and test"):
        dataset(case("a", group="p"), test=(case("b", group="p"),))


class Poison(type(Path())):  # type: ignore[misc]
    """A path that must not be opened."""

    def __fspath__(self) -> str:
        raise AssertionError("the label of an unlabelled case was opened")


def test_classes_are_found_in_labelled_cases_alone() -> None:
    first = Case("a", (np.zeros((2, 2)),), np.array([[0, 1], [2, 0]]))
    other = Case("b", (np.zeros((2, 2)),), Poison("b.nii"))
    split = Dataset("toy", None, (first, other)).split(1)
    assert split.classes == ("class_1", "class_2")
    assert Dataset("toy", ("rare",), (first, other)).split(1).classes == ("rare",)


@pytest.mark.parametrize("values", [[0, 255], [0, 2], [0, 0], [-1, 1]])
def test_a_gap_in_the_classes_is_not_guessed_at(values: list[int]) -> None:
    label: Array = np.array([values])
    with pytest.raises(DataError, match="without a gap"):
        find_classes([Case("a", (label,), label)])
