"""Cross-validation: the cases of a data set, shared out anew so that every patient is tested once."""

from __future__ import annotations

from dataclasses import replace

from semiseg.data.dataset import Dataset, group_of
from semiseg.errors import DataError


def fold(dataset: Dataset, number: int, folds: int) -> Dataset:
    """Part `number` of `folds` for testing, all other cases for training; there are no validation cases.

    Groups (patients) that have a label are dealt out in turn, in the order of the data set (training, validation, test cases), so that
    neighbours in a list, which often come from one scanner, lie in different parts. Groups without a label stay in training.

    Args:
        dataset: its own division is given up; the order stays.
        number: 1..folds.
        folds: at least 2.

    Raises:
        DataError: no such part, fewer labelled groups than parts, or training cases that are slices of what the test cases are volumes of.
    """
    if not 1 <= number <= folds or folds < 2:
        raise DataError(f"{dataset.name}: there is no fold {number}/{folds}; expected 1/N up to N/N, with N at least 2.")
    if dataset.dimensions == 2 and dataset.preparation.slice_axis is not None:
        raise DataError(f"{dataset.name}: its training cases are slices and its test cases are volumes, so they cannot change places.")
    cases = (*dataset.train, *dataset.validation, *dataset.test)
    groups = list(dict.fromkeys(group_of(case) for case in cases if case.label is not None))
    if len(groups) < folds:
        raise DataError(f"{dataset.name}: {folds} folds were asked for, and {len(groups)} patients have a label. Use fewer folds.")
    tested = set(groups[number - 1 :: folds])
    test = tuple(case for case in cases if group_of(case) in tested)
    return replace(dataset, train=tuple(case for case in cases if group_of(case) not in tested), validation=(), test=test)


def fold_of(dataset: Dataset, text: str | None) -> Dataset:
    """`fold` as settings write it: "2/5"; None changes nothing."""
    if text is None:
        return dataset
    number, folds = map(int, text.split("/"))
    return fold(dataset, number, folds)
