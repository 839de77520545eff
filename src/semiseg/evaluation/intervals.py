"""How far a mean could be off: t-intervals that count what test cases and what trainings vary by, each with its degrees of freedom."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Scores = NDArray[np.float64]
"""(T, N): one score of each of N test cases by each of T trainings that differ in seed or label draw alone; nan where undefined."""
Groups = NDArray[np.int64]
"""(N,): the number of the patient of each case, from 0."""
LEVEL = 0.95
"""Of every interval."""


@dataclass(frozen=True)
class Interval:
    """Where the value lies with a confidence of `LEVEL`; nan where one case (or one patient) cannot tell."""

    low: float
    high: float

    def within(self, low: float, high: float) -> Interval:
        """Cut off at the ends of what the value can be."""
        return Interval(*(value if math.isnan(value) else min(max(value, low), high) for value in (self.low, self.high)))


@dataclass(frozen=True)
class Part:
    """One source of chance: the variance that it gives an estimate, itself estimated with so many degrees of freedom."""

    variance: float
    freedom: int


def mean_interval(scores: Scores, groups: Groups | None = None) -> Interval:
    """Interval of the mean of (T, N) scores over trainings and cases; with one training, over cases alone.

    It is the mean -+ t * SE. SE^2 adds what cases vary by and what trainings vary by, as if each were drawn anew; what a case varies by
    from training to training is in both, so that the interval is rather too wide than too narrow. t has the degrees of freedom that
    Satterthwaite (Biometrics Bulletin 1946) gives such a sum: two trainings have one, so that they widen it by much.

    Args:
        scores: of trainings and cases.
        groups: patient of each case, where one has several; patients are then what is drawn.
    """
    scores, groups = scored(scores, groups)
    means = means_along(scores, 0)
    return around(means, [case_part(means, groups), *training_parts(scores)])


def difference_interval(ours: Scores, theirs: Scores, groups: Groups | None = None) -> Interval:
    """Interval of the mean difference of (T, N) and (U, N) scores of the same cases.

    As `mean_interval`; cases are paired, trainings of each side are a part of their own. Where one side has a single training, nobody
    knows what its seeds vary by: the interval is then over cases alone.
    """
    both, groups = scored(np.concatenate([ours, theirs]), groups, len(ours))
    ours, theirs = both[: len(ours)], both[len(ours) :]
    differences = means_along(ours, 0) - means_along(theirs, 0)
    several = min(len(ours), len(theirs)) > 1
    return around(differences, [case_part(differences, groups), *(training_parts(ours, theirs) if several else [])])


def scored(scores: Scores, groups: Groups | None, split: int = 0) -> tuple[Scores, Groups]:
    """The cases that have a score (on both sides of row `split`), and the patient of each: its own where there are no `groups`."""
    defined = ~np.isnan(scores)
    sides = [side.any(0) for side in (defined[:split], defined[split:]) if len(side)]
    kept = np.logical_and.reduce(sides)
    numbers = np.arange(scores.shape[1]) if groups is None else groups
    return scores[:, kept], np.unique(numbers[kept], return_inverse=True)[1]


def case_part(values: Scores, groups: Groups) -> Part:
    """Of the mean of (N,) values of cases, patients drawn whole: of G patients G / (G - 1) times the sum of their squared shares in it."""
    patients = int(groups.max()) + 1 if groups.size else 0
    if patients < 2:
        return Part(math.nan, 0)
    shares = np.bincount(groups, values - values.mean()) / values.size
    return Part(float(patients / (patients - 1) * (shares**2).sum()), patients - 1)


def training_parts(*sides: Scores) -> list[Part]:
    """Of the mean over cases of their means over trainings, one for each side with several trainings: s^2 / T where no score is missing."""
    parts = []
    for scores in sides:
        trainings, defined = len(scores), ~np.isnan(scores)
        shares = (np.where(defined, scores - means_along(scores, 0), 0) / np.maximum(defined.sum(0), 1)).sum(1) / max(scores.shape[1], 1)
        if trainings > 1:
            parts.append(Part(float(trainings / (trainings - 1) * (shares**2).sum()), trainings - 1))
    return parts


def around(values: Scores, parts: list[Part]) -> Interval:
    """The mean of values of cases -+ t * SE, of the parts together."""
    variance = sum(part.variance for part in parts)
    if math.isnan(variance):
        return Interval(math.nan, math.nan)
    centre = float(values.mean())
    uncertain = sum(part.variance**2 / part.freedom for part in parts)
    reach = float(stdtrit(variance**2 / uncertain, (1 + LEVEL) / 2)) * math.sqrt(variance) if uncertain > 0 else 0.0
    return Interval(centre - reach, centre + reach)


def means_along(scores: Scores, axis: int) -> Scores:
    """Means over the defined scores along an axis; nan where there are none."""
    defined = ~np.isnan(scores)
    count = defined.sum(axis)
    return np.where(count > 0, np.where(defined, scores, 0).sum(axis) / np.maximum(count, 1), np.nan)
