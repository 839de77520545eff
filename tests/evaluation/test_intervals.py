"""Intervals over cases and trainings against SciPy's, by hand, and by how often they are wrong where nothing is different."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import t as student
from scipy.stats import ttest_1samp, ttest_ind

from semiseg.evaluation.bootstrap import draw_counts, resampled_means
from semiseg.evaluation.intervals import Interval, difference_interval, mean_interval

nan = math.nan
Values = NDArray[np.float64]


def ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


def test_of_one_training_it_is_the_textbooks_t_interval_over_cases() -> None:
    values = np.random.default_rng(1).beta(8, 2, 40)
    known = ttest_1samp(values, 0).confidence_interval()
    assert ends(mean_interval(values[None])) == pytest.approx((known.low, known.high))


def test_where_cases_agree_it_is_welchs_interval_over_trainings() -> None:
    ours, theirs = np.array([0.82, 0.86, 0.81]), np.array([0.80, 0.78])
    known = ttest_ind(ours, theirs, equal_var=False).confidence_interval()
    found = difference_interval(ours[:, None] + np.zeros(9), theirs[:, None] + np.zeros(9))
    assert ends(found) == pytest.approx((known.low, known.high))


def test_both_parts_by_hand() -> None:
    ours = np.array([[0.8, 0.9, 0.7], [0.9, 0.9, 0.9]])
    theirs = np.array([[0.7, 0.8, 0.7], [0.8, 0.8, 0.7]])
    # Differences of the cases 0.85 - 0.75, 0.9 - 0.8, 0.8 - 0.7 = 0.1: nothing. Means of the trainings 0.8 and 0.9, 2.2 / 3 and 2.3 / 3:
    # variances 0.005 and 1 / 1800, each over 2 trainings, so 0.0025 and 1 / 3600, with one degree of freedom each.
    variance = 0.0025 + 1 / 3600
    freedom = variance**2 / (0.0025**2 + (1 / 3600) ** 2)
    reach = student.ppf(0.975, freedom) * math.sqrt(variance)
    assert ends(difference_interval(ours, theirs)) == pytest.approx((0.1 - reach, 0.1 + reach))
    ours = ours + np.array([0.03, 0, -0.03])
    # The cases now differ by 0.13, 0.1, 0.07: variance 0.0009 over 3 cases, with two degrees of freedom. The trainings are as they were.
    variance += 0.0003
    freedom = variance**2 / (0.0003**2 / 2 + 0.0025**2 + (1 / 3600) ** 2)
    reach = student.ppf(0.975, freedom) * math.sqrt(variance)
    assert ends(difference_interval(ours, theirs)) == pytest.approx((0.1 - reach, 0.1 + reach))


def test_with_one_training_on_a_side_it_is_over_cases_alone() -> None:
    ours, theirs = np.random.default_rng(2).random((3, 20)), np.random.default_rng(3).random((1, 20))
    assert ends(difference_interval(ours, theirs)) == pytest.approx(ends(difference_interval(ours.mean(0)[None], theirs)))


def test_what_both_share_drops_out_of_a_difference() -> None:
    hard = np.random.default_rng(4).normal(0, 0.3, (1, 20))  # some cases are hard for everybody
    assert ends(difference_interval(hard + 0.02, hard)) == pytest.approx((0.02, 0.02))


def test_the_scans_of_a_patient_count_once() -> None:
    values = np.random.default_rng(5).random((3, 12))
    twice, patients = np.repeat(values, 2, axis=1), np.repeat(np.arange(12), 2)
    assert ends(mean_interval(twice, patients)) == pytest.approx(ends(mean_interval(values)))
    assert ends(difference_interval(twice, twice[:2] ** 2, patients)) == pytest.approx(ends(difference_interval(values, values[:2] ** 2)))
    apart, together = (np.diff(ends(mean_interval(twice[:1], groups)))[0] for groups in (None, patients))
    assert apart < 0.75 * together  # about 1 / sqrt(2)


def test_patients_with_unequal_numbers_of_scans_by_hand() -> None:
    # Mean 0.6; shares of the patients (0.1 + 0.2) / 4, 0 and -0.3 / 4; of 3 patients 3 / 2 times the sum of their squares.
    found = mean_interval(np.array([[0.7, 0.8, 0.6, 0.3]]), np.array([0, 0, 1, 2]))
    reach = student.ppf(0.975, 2) * math.sqrt(1.5 * 2 * 0.075**2)
    assert ends(found) == pytest.approx((0.6 - reach, 0.6 + reach))


def test_what_is_undefined_is_left_out() -> None:
    values = np.random.default_rng(6).random((2, 8))
    with_hole = np.concatenate([values, [[nan], [nan]]], axis=1)
    assert ends(mean_interval(with_hole)) == pytest.approx(ends(mean_interval(values)))
    theirs = np.concatenate([values / 2, [[0.5], [0.6]]], axis=1)
    assert ends(difference_interval(with_hole, theirs)) == pytest.approx(ends(difference_interval(values, values / 2)))


def test_one_case_or_one_patient_has_no_interval() -> None:
    assert math.isnan(mean_interval(np.array([[0.5]])).low)
    assert math.isnan(mean_interval(np.array([[nan, nan]])).high)
    assert math.isnan(mean_interval(np.array([[0.5, 0.7]]), np.array([3, 3])).low)
    assert math.isnan(difference_interval(np.array([[0.5], [0.6]]), np.array([[0.5], [0.7]])).low)


def test_a_mean_of_shares_stays_between_none_and_all() -> None:
    assert Interval(-0.2, 1.3).within(0, 1) == Interval(0, 1)
    assert math.isnan(Interval(nan, nan).within(0, 1).low)


def false_verdicts(trainings: int, repetitions: int = 600) -> float:
    """How often the interval leaves out 0 where both methods are the same: seeds vary by 0.0036, and the difference of one training of
    each by 0.0022 over draws of 52 scans, as was measured on the hippocampus.
    """
    generator, cases, wrong = np.random.default_rng(0), 52, 0
    for _ in range(repetitions):
        hard = generator.normal(0, 0.05, cases)
        seeds = generator.normal(0, 0.0036, (2, trainings, 1)) + generator.normal(0, 0.0022 * math.sqrt(cases / 2), (2, trainings, cases))
        found = difference_interval(*(hard + seeds))
        wrong += found.low > 0 or found.high < 0
    return wrong / repetitions


@pytest.mark.parametrize("trainings", [2, 3])
def test_methods_that_are_the_same_are_told_apart_as_seldom_as_is_said(trainings: int) -> None:
    assert false_verdicts(trainings) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 600)


def test_an_interval_over_cases_alone_is_no_verdict() -> None:
    assert false_verdicts(1) > 0.3  # which is why nobody says "helped" of one training


def test_drawing_trainings_again_keeps_their_variance() -> None:
    trainings = np.array([0.1, 0.2, 0.6])
    generator = np.random.default_rng(7)
    means = resampled_means(trainings[:, None] + np.zeros(5), draw_counts(generator, np.arange(5)), generator)
    assert means.var() == pytest.approx(trainings.var(ddof=1) / 3, rel=0.05)
    assert means.mean() == pytest.approx(0.3, abs=0.005)


def test_patients_are_drawn_with_all_their_scans() -> None:
    counts = draw_counts(np.random.default_rng(8), np.array([0, 0, 1]))
    assert (counts[:, 0] == counts[:, 1]).all()
    assert (counts[:, 0] + counts[:, 2] == 2).all()  # two patients are drawn
