"""How far a mean could be off: intervals by drawing test cases and trainings again, each on its own."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
"""(T, N): one score of each of N test cases by each of T trainings that differ in seed or label draw alone; nan where undefined."""
LEVEL = 0.95
"""Of every interval."""
RESAMPLES = 10_000


@dataclass(frozen=True)
class Interval:
    """Where the value lies with a confidence of `LEVEL`; nan where fewer than two cases cannot tell."""

    low: float
    high: float


def mean_interval(scores: Scores, seed: int = 0) -> Interval:
    """Bootstrap interval (percentiles) of the mean of (T, N) scores.

    Trainings and cases are drawn with replacement, each on its own, and a score counts as often as its training and its case were drawn
    together: the pigeonhole bootstrap for crossed factors (Owen, Annals of Applied Statistics 2007), which is rather too wide than too
    narrow. With one training it is the ordinary bootstrap over cases. Two or three trainings cannot show how much trainings vary; the
    interval then is mostly that of the cases.
    """
    generator = np.random.default_rng(seed)
    return percentiles(resampled_means(scores, draw_counts(generator, scores.shape[1]), generator), scores.shape[1])


def difference_interval(ours: Scores, theirs: Scores, seed: int = 0) -> Interval:
    """Bootstrap interval of the mean difference of (T, N) and (U, N) scores of the same cases.

    As `mean_interval`; the same cases are drawn on both sides, trainings on each side on its own.
    """
    generator = np.random.default_rng(seed)
    counts = draw_counts(generator, ours.shape[1])
    return percentiles(resampled_means(ours, counts, generator) - resampled_means(theirs, counts, generator), ours.shape[1])


def means_along(scores: Scores, axis: int) -> Scores:
    """Means over the defined scores along an axis; nan where there are none."""
    defined = ~np.isnan(scores)
    count = defined.sum(axis)
    return np.where(count > 0, np.where(defined, scores, 0).sum(axis) / np.maximum(count, 1), np.nan)


def draw_counts(generator: np.random.Generator, n: int) -> NDArray[np.int64]:
    """(RESAMPLES, n): how often each of n things is drawn in n draws with replacement."""
    return generator.multinomial(n, np.full(n, 1 / n), RESAMPLES) if n else np.zeros((RESAMPLES, 0), np.int64)


def resampled_means(scores: Scores, case_counts: NDArray[np.int64], generator: np.random.Generator) -> Scores:
    """(RESAMPLES,) means of (T, N) scores, each score weighted by how often its training and its case were drawn."""
    defined = ~np.isnan(scores)
    training_counts = draw_counts(generator, scores.shape[0])
    total = (training_counts @ np.where(defined, scores, 0) * case_counts).sum(1)
    weight = (training_counts @ defined.astype(np.int64) * case_counts).sum(1)
    return np.where(weight > 0, total / np.maximum(weight, 1), np.nan)


def percentiles(means: Scores, cases: int) -> Interval:
    """The middle `LEVEL` of resampled means of so many cases."""
    means = means[~np.isnan(means)]
    if cases < 2 or not means.size:
        return Interval(math.nan, math.nan)
    low, high = np.quantile(means, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Interval(float(low), float(high))
