"""Is the order of the methods stable: how often each comes first when cases and trainings are drawn again, and whether seeds agree."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, rankdata

from semiseg.evaluation.bootstrap import draw_counts, resampled_means
from semiseg.evaluation.intervals import Groups, Scores, means_along

LEAST = 2
"""Methods below which there is no order."""


@dataclass(frozen=True)
class Place:
    """Where one method stands among others. 1 is the best.

    Attributes:
        mean: over trainings and cases.
        rank: by that mean; methods with the same mean share the middle of their places.
        first: share of resamples in which it is first; a shared first place counts in parts.
        best, worst: the middle 95 % of its ranks over the resamples lie here.
    """

    mean: float
    rank: float
    first: float
    best: float
    worst: float


@dataclass(frozen=True)
class Stability:
    """The order of some methods, and what it depends on.

    Attributes:
        places: by the name of the method.
        tau: Kendall's tau-b between the orders that two seeds give, averaged over all pairs of seeds: 1 where all seeds agree, 0 where they
            agree no more than by chance; nan where fewer than two seeds were trained with every method.
        seeds: how many those are.
    """

    places: dict[str, Place]
    tau: float
    seeds: int


def rank_stability(
    scores: Mapping[str, Scores],
    by_seed: Mapping[str, Mapping[str, int]],
    lower_is_better: bool = False,
    groups: Groups | None = None,
    seed: int = 0,
) -> Stability:
    """How stable the order of methods is.

    The bootstrap draws the same cases for all methods and the trainings of each on its own (see `resampled_means`).

    Args:
        scores: (T, N) of each method, of the same cases in the same order.
        by_seed: of each method, the row of `scores` by the name of the seed.
        lower_is_better: the metric is a distance.
        groups: patient of each case, where one has several; patients are then what is drawn.
        seed: of the bootstrap.

    Raises:
        ValueError: fewer than two methods.
    """
    if len(scores) < LEAST:
        raise ValueError("an order needs two methods")
    sign = 1 if lower_is_better else -1
    generator = np.random.default_rng(seed)
    counts = draw_counts(generator, np.arange(next(iter(scores.values())).shape[1]) if groups is None else groups)
    ranks = ranked(sign * np.stack([resampled_means(each, counts, generator) for each in scores.values()]))  # (M, resamples)
    overall = np.array([[np.nanmean(each)] for each in scores.values()])
    own = ranked(sign * overall)
    low, high = np.quantile(ranks, (0.025, 0.975), axis=1, method="closest_observation")
    firsts = first_shares(ranks)
    columns = np.column_stack([overall, own, firsts, low, high]).tolist()
    places = {name: Place(*values) for name, values in zip(scores, columns, strict=True)}
    seeds = [name for name in next(iter(by_seed.values())) if all(name in rows for rows in by_seed.values())]
    means = [[float(means_along(scores[method], 1)[by_seed[method][name]]) for method in scores] for name in seeds]
    return Stability(places, mean_tau(means), len(seeds))


def ranked(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(M, R) values -> ranks within each column, 1 the smallest; equal values share the middle of their ranks."""
    return np.asarray(rankdata(values, method="average", axis=0), dtype=np.float64)


def first_shares(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """(M, R) ranks -> (M,): in what share of the columns each is first; who shares the first place gets a part."""
    firsts = ranks == ranks.min(axis=0)
    return np.asarray((firsts / firsts.sum(axis=0)).mean(axis=1), dtype=np.float64)


def mean_tau(means: list[list[float]]) -> float:
    """Kendall's tau-b between each two seeds' means of the methods, averaged; nan where there are no two seeds or two methods."""
    taus = [float(kendalltau(first, second).statistic) for first, second in combinations(means, 2)]
    known = [tau for tau in taus if not math.isnan(tau)]
    return sum(known) / len(known) if known else math.nan
