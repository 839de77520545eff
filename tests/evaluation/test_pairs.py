"""Predictions find their references by name; what is missing is never passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from semiseg.errors import DataError
from semiseg.evaluation.pairs import match_pairs


def folder(path: Path, *names: str) -> Path:
    path.mkdir()
    for name in names:
        (path / name).touch()
    return path


def test_files_are_matched_by_name_whatever_their_format(tmp_path: Path) -> None:
    predictions = folder(tmp_path / "p", "b.nii.gz", "a.1.nii", "extra.nii.gz", "notes.txt", ".hidden.nii.gz")
    references = folder(tmp_path / "r", "a.1.h5", "b.nii.gz")
    pairs = match_pairs(predictions, references)
    assert [(p.id, p.prediction, p.reference) for p in pairs] == [
        ("a.1", predictions / "a.1.nii", references / "a.1.h5"),
        ("b", predictions / "b.nii.gz", references / "b.nii.gz"),
    ]


def test_the_number_of_the_only_modality_makes_no_difference(tmp_path: Path) -> None:
    numbered = folder(tmp_path / "numbered", "a_0000.nii.gz", "b_0000.nii.gz", "c_0000.nii.gz")
    bare = folder(tmp_path / "bare", "a.nii.gz", "b.nii.gz", "c_0000.nii.gz")
    assert [(p.id, p.prediction) for p in match_pairs(numbered, bare)] == [
        ("a", numbered / "a_0000.nii.gz"),
        ("b", numbered / "b_0000.nii.gz"),
        ("c_0000", numbered / "c_0000.nii.gz"),
    ]
    assert next((p.id, p.prediction) for p in match_pairs(str(bare), str(numbered))) == ("a_0000", bare / "a.nii.gz")
    slices = folder(tmp_path / "slices", "a.nii.gz", "b_0000.nii.gz", "b_0001.nii.gz")
    with pytest.raises(DataError, match=r"2 of 3 predictions are missing: b, c_0000\. .*--allow-missing \(in Python allow_missing=True\)"):
        match_pairs(slices, bare)


def test_two_files_are_a_pair_whatever_their_names(tmp_path: Path) -> None:
    folder(tmp_path / "f", "mask.nii.gz", "truth.nii.gz")
    (pair,) = match_pairs(tmp_path / "f" / "mask.nii.gz", tmp_path / "f" / "truth.nii.gz")
    assert (pair.id, pair.prediction) == ("truth", tmp_path / "f" / "mask.nii.gz")


def test_missing_predictions_are_an_error_that_lists_five(tmp_path: Path) -> None:
    predictions = folder(tmp_path / "p", "case7.nii.gz")
    references = folder(tmp_path / "r", *(f"case{i}.nii.gz" for i in range(8)))
    with pytest.raises(DataError, match=r"7 of 8 predictions are missing: case0, case1, case2, case3, case4, \.\.\.\."):
        match_pairs(predictions, references)
    pairs = match_pairs(predictions, references, allow_missing=True)
    assert [p.prediction for p in pairs] == [None] * 7 + [predictions / "case7.nii.gz"]


def test_folders_that_share_no_name_are_an_error_even_then(tmp_path: Path) -> None:
    predictions, references = folder(tmp_path / "p", "a_1.nii.gz"), folder(tmp_path / "r", "a.nii.gz", "b.nii.gz")
    with pytest.raises(DataError, match=r"no prediction for any of the 2 references.*a\.nii\.gz"):
        match_pairs(predictions, references, allow_missing=True)


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ("nowhere", "nowhere: no such file or folder"),
        ("empty", "no label maps here"),
        ("twice", r"a\.nii and a\.nii\.gz are both case a"),
        ("twice/a.nii", "one is a file, the other a folder"),
    ],
)
def test_bad_folders_are_named(tmp_path: Path, predictions: str, message: str) -> None:
    folder(tmp_path / "empty")
    folder(tmp_path / "twice", "a.nii", "a.nii.gz")
    with pytest.raises(DataError, match=message):
        match_pairs(tmp_path / predictions, folder(tmp_path / "r", "a.nii.gz"))
