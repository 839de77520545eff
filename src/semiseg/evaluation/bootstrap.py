"""Means of scores when test cases and trainings are drawn again: what orders of methods and fitted curves vary by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semiseg.evaluation.intervals import Groups, Scores, means_along

RESAMPLES = 10_000


def draw_counts(generator: np.random.Generator, groups: Groups) -> NDArray[np.int64]:
    """(RESAMPLES, N): how often each case is drawn, where as many patients as there are are drawn with replacement, each with its cases."""
    patients = int(groups.max()) + 1 if groups.size else 0
    counts = generator.multinomial(patients, np.full(patients, 1 / patients), RESAMPLES) if patients else np.zeros((RESAMPLES, 0), np.int64)
    return counts[:, groups]


def resampled_means(scores: Scores, case_counts: NDArray[np.int64], generator: np.random.Generator) -> Scores:
    """(RESAMPLES,) means of (T, N) scores, each score weighted by how often its training and its case were drawn.

    The pigeonhole bootstrap for crossed factors (Owen, Annals of Applied Statistics 2007). Drawing T trainings again gives (T - 1) / T of
    what they vary by, so their deviations from the mean are made larger by the root of T / (T - 1) first. A single training cannot vary.
    """
    scores, trainings = widened(scores), len(scores)
    defined = ~np.isnan(scores)
    training_counts = generator.multinomial(trainings, np.full(trainings, 1 / trainings), RESAMPLES)
    total = (training_counts @ np.where(defined, scores, 0) * case_counts).sum(1)
    weight = (training_counts @ defined.astype(np.int64) * case_counts).sum(1)
    return np.where(weight > 0, total / np.maximum(weight, 1), np.nan)


def widened(scores: Scores) -> Scores:
    """(T, N) scores whose means over cases lie further from their mean by the root of T / (T - 1)."""
    trainings = len(scores)
    if trainings < 2:
        return scores
    means = means_along(scores, 1)
    wider: Scores = scores + (np.sqrt(trainings / (trainings - 1)) - 1) * (means - np.nanmean(means))[:, None]
    return wider
