from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import bootstrap

from semiseg.errors import DataError
from semiseg.evaluation.bootstrap import difference_interval, mean_interval
from semiseg.evaluation.evaluate import Evaluation, Pair, evaluate
from semiseg.evaluation.results import Provenance
from semiseg.evaluation.statistics import (
    compare_classes,
    corrected,
    holm,
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


# Intervals


def test_with_one_training_the_interval_is_scipys_bootstrap_over_cases() -> None:
    values = np.random.default_rng(1).beta(8, 2, 40)
    ours = mean_interval(values[None])
    theirs = bootstrap((values,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(2)).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.0015)  # 1 % of a width of 0.07, and some luck


def test_with_several_trainings_both_spreads_widen_it() -> None:
    generator = np.random.default_rng(3)
    trainings, cases = generator.normal(0, 0.05, 8), generator.normal(0, 0.1, 30)
    ours = mean_interval(trainings[:, None] + cases)
    deviation = math.sqrt(trainings.var() / 8 + cases.var() / 30)  # of a resampled mean, exactly, where effects add up
    assert (ours.high - ours.low) / (2 * 1.96 * deviation) == pytest.approx(1, abs=0.05)
    assert ours.high - ours.low > 1.3 * np.diff(list(vars(mean_interval(cases[None])).values()))[0]


def test_what_both_share_drops_out_of_a_difference() -> None:
    hard = np.random.default_rng(4).normal(0, 0.3, (1, 20))  # some cases are hard for everybody
    interval = difference_interval(hard + 0.02, hard)
    assert (interval.low, interval.high) == pytest.approx((0.02, 0.02))


def test_one_case_has_no_interval() -> None:
    assert math.isnan(mean_interval(row(0.5)).low)
    assert math.isnan(mean_interval(row(nan, nan)).high)


def test_the_same_scores_give_the_same_interval() -> None:
    values = np.random.default_rng(5).random((3, 9))
    assert mean_interval(values) == mean_interval(values)
    assert mean_interval(values) != mean_interval(values, seed=1)


# Spreads and pairs


def test_spread_over_trainings_is_kept_apart_from_spread_over_cases() -> None:
    found = spread(np.array([[0.6, 0.8], [0.7, 0.9]]))
    assert (found.mean, found.trainings, found.cases, found.undefined) == (pytest.approx(0.75), 2, 2, 0)
    assert found.training_std == pytest.approx(0.1 / math.sqrt(2))  # of 0.7 and 0.8
    assert found.case_std == pytest.approx(0.2 / math.sqrt(2))  # of 0.65 and 0.85
    assert math.isnan(spread(row(0.6, 0.8)).training_std)


def test_undefined_scores_are_counted_and_in_no_average() -> None:
    found = spread(np.array([[1.0, nan], [2.0, nan]]))
    assert (found.mean, found.undefined) == (1.5, 2)
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
    assert compare_classes([scored(a=0.0, b=1.0)], [scored(a=1.0, b=1.0)], "hd95_mm")["organ"].left_out == 1  # no distance to nothing


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
