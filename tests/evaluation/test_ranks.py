from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from semiseg.evaluation.inflation import inflation
from semiseg.evaluation.metrics import ClassScore
from semiseg.evaluation.ranks import first_shares, mean_tau, rank_stability, ranked
from semiseg.evaluation.results import CaseScore, Evaluation


def one_seed(*names: str) -> dict[str, dict[str, int]]:
    return {name: {"0": 0} for name in names}


def test_ranks_within_a_column_share_what_is_equal() -> None:
    assert ranked(np.array([[0.1, 0.2], [0.3, 0.2], [0.2, 0.9]])).tolist() == [[1, 1.5], [3, 1.5], [2, 3]]
    assert first_shares(np.array([[1, 1.5], [2, 1.5]])).tolist() == [0.75, 0.25]  # 1 + 1/2 and 0 + 1/2, of two


def test_a_method_that_is_better_on_every_case_is_always_first() -> None:
    cases = np.random.default_rng(0).random((1, 12))
    found = rank_stability({"good": cases + 0.1, "middle": cases, "bad": cases - 0.1}, one_seed("good", "middle", "bad"))
    assert [(place.rank, place.first) for place in found.places.values()] == [(1, 1), (2, 0), (3, 0)]
    assert (found.places["middle"].best, found.places["middle"].worst) == (2, 2)
    assert (found.seeds, math.isnan(found.tau)) == (1, True)  # one seed has nobody to agree with


def test_a_narrow_lead_is_first_as_often_as_its_standard_error_says() -> None:
    differences = np.random.default_rng(1).normal(0.01, 0.05, 40)
    found = rank_stability({"a": differences[None], "b": np.zeros((1, 40))}, one_seed("a", "b"))
    z = differences.mean() / (differences.std() / math.sqrt(40))
    assert found.places["a"].first == pytest.approx(norm.cdf(z), abs=0.02)  # the bootstrap mean is all but normal
    assert found.places["a"].first + found.places["b"].first == pytest.approx(1)


def test_of_a_distance_the_smaller_is_first() -> None:
    found = rank_stability({"near": np.full((1, 3), 1.0), "far": np.full((1, 3), 2.0)}, one_seed("near", "far"), lower_is_better=True)
    assert found.places["near"].rank == 1


def test_kendalls_tau_between_seeds_by_hand() -> None:
    assert mean_tau([[1, 2, 3], [1, 2, 3]]) == pytest.approx(1)
    assert mean_tau([[1, 2, 3], [1, 3, 2]]) == pytest.approx(1 / 3)  # 2 pairs in order, 1 not, of 3
    assert mean_tau([[1, 2, 3], [1, 3, 2], [3, 2, 1]]) == pytest.approx((1 / 3 - 1 - 1 / 3) / 3)
    assert math.isnan(mean_tau([[1, 2, 3]]))


def test_seeds_are_matched_by_name_and_only_where_every_method_has_them() -> None:
    scores = {"a": np.array([[0.9, 0.9], [0.5, 0.5]]), "b": np.array([[0.6, 0.6], [0.8, 0.8], [0.1, 0.1]])}
    found = rank_stability(scores, {"a": {"0": 0, "1": 1}, "b": {"1": 0, "0": 1, "2": 2}})
    assert found.seeds == 2
    assert found.tau == pytest.approx(-1)  # seed 0: 0.9 > 0.8; seed 1: 0.5 < 0.6
    assert 0.05 < found.places["b"].first < 0.95  # which trainings are drawn decides


def test_an_order_needs_two_methods() -> None:
    with pytest.raises(ValueError, match="two methods"):
        rank_stability({"a": np.zeros((1, 2))}, one_seed("a"))


def scored(*dices: float) -> Evaluation:
    nan = math.nan
    blank = ClassScore("organ", "ok", nan, nan, nan, nan, nan, nan, nan, nan, 1, 1, nan, nan)
    cases = tuple(CaseScore(f"case_{i}", (replace(blank, dice=dice),)) for i, dice in enumerate(dices))
    return Evaluation(("organ",), cases)


def test_inflation_is_selected_less_last_of_the_same_training() -> None:
    found = inflation([scored(0.6, 0.8), scored(0.3, 0.5)], [scored(0.7, 0.9), scored(0.3, 0.5)])["organ"]
    assert (found.last, found.selected, found.difference) == pytest.approx((0.55, 0.6, 0.05))
    assert (found.largest, found.trainings) == (pytest.approx(0.1), 2)
    reach = student.ppf(0.975, 1) * 0.1 / 2  # of 0.1 and 0: s = 0.1 / sqrt(2), over sqrt(2); cases agree
    assert (found.interval.low, found.interval.high) == pytest.approx((0.05 - reach, 0.05 + reach))


def test_without_a_choice_there_is_no_inflation() -> None:
    same: NDArray[np.float64] = np.array([0.6, 0.8])
    found = inflation([scored(*same)], [scored(*same)])["organ"]
    assert (found.difference, found.interval.low, found.interval.high) == (0, 0, 0)
