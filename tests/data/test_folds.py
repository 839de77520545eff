"""Cross-validation: every patient is tested once, patients stay whole, and label budgets nest inside the rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from semiseg.case import Case
from semiseg.data.dataset import Dataset
from semiseg.data.folds import fold, fold_of
from semiseg.data.preparation import Preparation
from semiseg.errors import DataError


def case(name: str, label: bool = True) -> Case:
    return Case(name, (Path(name),), Path(name) if label else None, group=name.partition("_")[0])


def dataset() -> Dataset:
    """Ten patients with two labelled scans each, in three parts, and one patient without a label."""
    scans = [tuple(case(f"p{patient}_{scan}") for scan in "ab") for patient in range(10)]
    train = (*sum(scans[:6], ()), case("unlabeled_a", label=False))
    return Dataset("set", ("organ",), train, validation=sum(scans[6:7], ()), test=sum(scans[7:], ()))


def test_every_labelled_patient_is_tested_once_and_whole() -> None:
    tested = [[item.id for item in fold(dataset(), number, 5).test] for number in range(1, 6)]
    assert tested[0] == ["p0_a", "p0_b", "p5_a", "p5_b"]  # every fifth of ten
    assert sorted(name for part in tested for name in part) == sorted(f"p{patient}_{scan}" for patient in range(10) for scan in "ab")
    for number in range(1, 6):
        shared = fold(dataset(), number, 5)
        assert len(shared.train) == 17  # 21 scans, 4 of them tested
        assert shared.validation == ()
        assert "unlabeled_a" in [item.id for item in shared.train]


def test_budgets_nest_inside_a_fold() -> None:
    shared = fold(dataset(), 2, 5)
    for draw in (0, 3):
        small, large = ({item.id for item in shared.split(n, draw).labeled} for n in (2, 4))
        assert (len(small), len(large)) == (4, 8)
        assert small < large
        assert not large & {item.id for item in shared.test}


def test_validation_is_the_start_of_the_draw_so_that_it_is_the_same_for_every_budget() -> None:
    small, large = (dataset().split(n, 0, held_out=1) for n in (2, 4))
    assert [item.id for item in small.validation] == [item.id for item in large.validation] == ["p0_a", "p0_b"]
    assert [item.id for item in small.labeled] == ["p1_a", "p1_b"]
    assert len(large.labeled) == 6  # 3 patients of the 4: no label beyond the budget
    assert len(small.unlabeled) == 13 - 4
    with pytest.raises(DataError, match=r"set: 2 of 2 labelled cases were to be held out for validation, which leaves none"):
        dataset().split(2, 0, held_out=2)


def test_without_a_validation_of_ones_own_the_published_one_stays() -> None:
    assert [item.id for item in dataset().split(2).validation] == ["p6_a", "p6_b"]


@pytest.mark.parametrize("number", ["0/5", "6/5", "1/1"])
def test_a_fold_that_is_not_there_is_refused(number: str) -> None:
    with pytest.raises(DataError, match=f"no fold {number}; expected 1/N up to N/N"):
        fold_of(dataset(), number)


def test_no_fold_changes_nothing_and_too_many_are_refused() -> None:
    whole = dataset()
    assert fold_of(whole, None) is whole
    with pytest.raises(DataError, match="11 folds were asked for, and 10 patients have a label"):
        fold(whole, 1, 11)


def test_training_slices_do_not_change_places_with_test_volumes() -> None:
    with pytest.raises(DataError, match="its training cases are slices and its test cases are volumes"):
        fold(replace(dataset(), dimensions=2, preparation=Preparation(slice_axis=0)), 1, 2)
