from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from semiseg.errors import DataError
from semiseg.evaluation.evaluate import Evaluation, Pair, evaluate
from semiseg.evaluation.gain import in_words
from semiseg.evaluation.results import Provenance
from semiseg.evaluation.statistics import (
    case_groups,
    compare_classes,
    corrected,
    holm,
    judged,
    paired,
    score_array,
    signed_rank_p,
    spread,
)

nan = math.nan
PLANTS = np.array([6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75], dtype=np.float64)
"""Darwin's maize: cross- less self-fertilised heights, the classical worked example of the test."""


def row(*values: float) -> NDArray[np.float64]:
    return np.array([values], dtype=np.float64)


def scored(**dices: float) -> Evaluation:
    """One class in 10 voxels of 20; the mask covers as many of them as gives the Dice 2 n / (n + 10)."""
    label = np.repeat([1, 0], 10)[None]
    pairs = []
    for case, dice in dices.items():
        mask = np.zeros_like(label)
        mask[0, : round(10 * dice / (2 - dice))] = 1
        pairs.append(Pair(case, mask, label, (1.0, 1.0)))
    return evaluate(pairs, ["organ"])


# The test


def test_the_signed_rank_test_gives_the_textbook_value() -> None:
    assert signed_rank_p(PLANTS) == pytest.approx(0.041259765625)  # W = 24 of 15 pairs: 1352 of 2^15 sign patterns are as far out


def test_five_gains_out_of_five_cannot_be_below_one_in_sixteen() -> None:
    assert signed_rank_p(np.array([1.0, 2.0, 3.0, 4.0, 5.0])) == pytest.approx(2 / 2**5)


def test_without_a_difference_there_is_no_evidence_and_without_cases_no_test() -> None:
    assert signed_rank_p(np.zeros(4)) == 1.0
    assert math.isnan(signed_rank_p(np.zeros(0)))


def test_cases_without_a_difference_are_left_out_of_the_test() -> None:
    assert signed_rank_p(np.concatenate([PLANTS, np.zeros(5)])) == signed_rank_p(PLANTS)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])  # 3*.01, max(1*.04, 2*.03), 2*.03, 4*.005
    assert holm([0.9, nan, 0.8]) == pytest.approx([1.0, nan, 1.0], nan_ok=True)
    assert holm([]) == []


# Spreads and pairs


def test_spread_over_trainings_is_kept_apart_from_spread_over_cases() -> None:
    found = spread(np.array([[0.6, 0.8], [0.7, 0.9]]))
    assert (found.mean, found.trainings, found.cases, found.undefined) == (pytest.approx(0.75), 2, 2, 0)
    assert found.training_std == pytest.approx(0.1 / math.sqrt(2))  # of 0.7 and 0.8
    assert found.case_std == pytest.approx(0.2 / math.sqrt(2))  # of 0.65 and 0.85
    assert math.isnan(spread(row(0.6, 0.8)).training_std)


def test_undefined_scores_are_counted_and_in_no_average() -> None:
    found = spread(np.array([[0.5, nan], [1.0, nan]]))
    assert (found.mean, found.undefined) == (0.75, 2)
    assert math.isnan(spread(row(nan)).mean)


def test_pairs_are_counted_case_by_case() -> None:
    found = paired(row(0.9, 0.5, 0.7, nan), row(0.8, 0.6, 0.7, 0.1))
    assert (found.better, found.worse, found.equal, found.cases, found.left_out) == (1, 1, 1, 3, 1)
    assert found.difference == pytest.approx(0)
    assert paired(row(3.0, 1.0), row(2.0, 2.5), lower_is_better=True).better == 1


def test_trainings_are_averaged_within_a_case_before_the_test() -> None:
    ours, theirs = np.array([[1.0, 2.0], [3.0, 4.0]]), row(1.0, 3.0)
    found = paired(ours, theirs)
    assert found.difference == pytest.approx(0.5)  # means 2 and 3 less 1 and 3
    assert (found.better, found.equal) == (1, 1)  # two cases, not four


def test_tests_that_are_shown_together_are_corrected_together() -> None:
    tests = [paired(row(*PLANTS), row(*np.zeros(15))) for _ in range(3)]
    assert [test.p_holm for test in corrected(tests)] == pytest.approx([3 * 0.041259765625] * 3)


def test_a_failure_counts_as_a_dice_of_nothing() -> None:
    found = compare_classes([scored(a=0.0, b=1.0)], [scored(a=1.0, b=1.0)])
    assert list(found) == ["organ"]
    assert (found["organ"].difference, found["organ"].worse, found["organ"].left_out) == (-0.5, 1, 0)


def test_a_failure_is_the_worst_distance_and_in_no_mean_of_them() -> None:
    missed, right = scored(a=0.0, b=0.8, c=1.0), scored(a=0.9, b=1.0, c=1.0)
    found = compare_classes([missed], [right], "hd95_mm")["organ"]
    assert (found.better, found.worse, found.equal, found.left_out) == (0, 2, 1, 1)
    tested = judged([missed, right], "organ", "hd95_mm", score_array([missed, right], "organ", "hd95_mm"))
    assert tested[0, 0] == 2 * np.delete(tested.ravel(), 0).max()  # twice the largest distance that there is
    assert compare_classes([right], [missed], "hd95_mm")["organ"].better == 2


def test_who_rightly_finds_nothing_is_better_than_who_invents() -> None:
    nothing, something = np.zeros((1, 20), np.uint8), np.ones((1, 20), np.uint8)
    right = evaluate([Pair(name, nothing, nothing) for name in "abc"], ["organ"])
    invents = evaluate([Pair(name, nothing if name == "c" else something, nothing) for name in "abc"], ["organ"])
    for metric in ("dice", "hd95_voxel"):
        found = compare_classes([right], [invents], metric)["organ"]
        assert (found.better, found.worse, found.equal, found.left_out) == (2, 0, 0, 3)  # c has no score on either side
        assert math.isnan(found.difference)
    assert in_words(found) == "no test scan has a Dice on both sides"


def test_an_unknown_spacing_is_no_failure() -> None:
    label = np.repeat([1, 0], 10)[None]
    unknown = evaluate([Pair("a", label, label)], ["organ"])
    found = compare_classes([unknown], [unknown], "hd95_mm")["organ"]
    assert (found.cases, found.left_out) == (0, 1)


def test_the_scans_of_a_patient_are_tested_together() -> None:
    ours, theirs = row(0.9, 0.5, 0.8, 0.7), row(0.8, 0.55, 0.6, 0.6)
    found = paired(ours, theirs, groups=np.array([0, 0, 1, 2]))
    assert (found.better, found.worse, found.cases, found.patients) == (3, 0, 3, True)  # (0.1 - 0.05) / 2, 0.2, 0.1
    assert found.p == pytest.approx(2 / 2**3)
    assert found.difference == pytest.approx(0.35 / 4)  # over scans
    assert "better in 3 of 3 test patients" in in_words(found)
    assert not paired(ours, theirs, groups=np.array([3, 1, 0, 2])).patients  # one scan each


def test_patients_come_with_the_scores_through_files(tmp_path: Path) -> None:
    label = np.repeat([1, 0], 10)[None]
    known = evaluate([Pair(case, label, label, group=patient) for case, patient in (("a1", "a"), ("a2", "a"), ("b", ""))], ["organ"])
    known.to_json(tmp_path / "scores.json")
    known.to_csv(tmp_path / "scores.csv")
    again = Evaluation.from_json(tmp_path / "scores.json")
    assert [case.group for case in again.cases] == ["a", "a", ""]
    lines = (tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[:2] for line in lines] == [["case", "group"], ["a1", "a"], ["a2", "a"], ["b", ""]]
    assert case_groups([again]).tolist() == [0, 0, 1]
    old = evaluate([Pair(case, label, label) for case in ("b", "a1", "a2")], ["organ"])
    assert case_groups([old]).tolist() == [0, 1, 2]  # a file without patients: each case its own
    assert case_groups([old, again]).tolist() == [0, 1, 1]  # unless another one knows


def test_cases_are_paired_by_name() -> None:
    assert score_array([scored(a=0.0, b=1.0), scored(b=1.0, a=0.0)], "organ", "dice").tolist() == [[0.0, 1.0], [0.0, 1.0]]


def test_other_cases_cannot_be_paired() -> None:
    with pytest.raises(DataError, match=r"2 are in one of two alone, such as b\."):
        compare_classes([scored(a=1.0, b=1.0)], [scored(a=1.0, c=1.0)])


# Files


def test_scores_come_back_from_their_file_with_their_provenance(tmp_path: Path) -> None:
    plain = scored(a=0.0, b=1.0)
    known = Evaluation(plain.classes, plain.cases, Provenance("sealed, last step", "cml", 7, 1, 4, "0123", "0.1"))
    known.to_json(tmp_path / "scores.json")
    assert repr(Evaluation.from_json(tmp_path / "scores.json")) == repr(known)  # nan is not equal to itself
    known.to_csv(tmp_path / "scores.csv")
    assert (tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()[1].endswith('"sealed, last step",cml,7,1,4,0123,0.1')
    assert "provenance" not in plain.as_dict()


def test_a_file_without_scores_says_so(tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text('{"cases": 3}')
    with pytest.raises(DataError, match="holds no scores"):
        Evaluation.from_json(tmp_path / "scores.json")
    with pytest.raises(DataError, match="cannot be read"):
        Evaluation.from_json(tmp_path / "none.json")
