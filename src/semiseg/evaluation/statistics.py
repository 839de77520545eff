"""Is a difference real: spreads, bootstrap intervals and paired tests, over cases and over trainings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from semiseg.errors import DataError
from semiseg.evaluation.results import Evaluation

Scores = NDArray[np.float64]
"""(T, N): one score of each of N test cases by each of T trainings that differ in seed or label draw alone; nan where undefined."""
LEVEL = 0.95
"""Of every interval."""
RESAMPLES = 10_000
LOWER_IS_BETTER = ("hd95_voxel", "asd_voxel", "assd_voxel", "hd95_mm", "asd_mm", "assd_mm")


@dataclass(frozen=True)
class Interval:
    """Where the value lies with a confidence of `LEVEL`; nan where fewer than two cases cannot tell."""

    low: float
    high: float


@dataclass(frozen=True)
class Spread:
    """The mean of a metric, and what it varies with.

    Attributes:
        mean: over all defined scores.
        interval: of the mean, over trainings and cases.
        training_std: sample standard deviation over trainings of their means over cases; nan with one training.
        case_std: sample standard deviation over cases of their means over trainings; nan with one case.
        trainings, cases: how many there are.
        undefined: scores that do not exist and are in no average.
    """

    mean: float
    interval: Interval
    training_std: float
    case_std: float
    trainings: int
    cases: int
    undefined: int


@dataclass(frozen=True)
class Paired:
    """How one method differs from another on the same cases.

    Attributes:
        difference: mean of ours less theirs.
        interval: of the difference, over trainings and cases.
        p: of Wilcoxon's signed-rank test over cases, two-sided.
        p_holm: the same, corrected for the number of tests that were made together.
        better, worse, equal: in how many cases ours is so.
        left_out: cases without a score on one side.
    """

    difference: float
    interval: Interval
    p: float
    p_holm: float
    better: int
    worse: int
    equal: int
    left_out: int

    @property
    def cases(self) -> int:
        """Cases with a score on both sides."""
        return self.better + self.worse + self.equal


def score_array(evaluations: Sequence[Evaluation], name: str, metric: str) -> Scores:
    """(T, N) scores of one class, or of the `MEAN` over classes, cases in the order of the first evaluation.

    Raises:
        DataError: the evaluations are not of the same cases and classes, so that nothing can be paired.
    """
    first = evaluations[0]
    ids = [case.id for case in first.cases]
    for other in evaluations[1:]:
        refuse_other_cases(first, other)
    columns = [evaluation.values(name, metric) for evaluation in evaluations]
    return np.array([[column[case] for case in ids] for column in columns], dtype=np.float64)


def refuse_other_cases(first: Evaluation, second: Evaluation) -> None:
    """Raises DataError where two evaluations are not of the same cases and classes."""
    ours, theirs = ({case.id for case in evaluation.cases} for evaluation in (first, second))
    if ours != theirs:
        odd = sorted(ours ^ theirs)
        raise DataError(
            f"Runs that are compared must be scored on the same test cases; {len(odd)} are in one of two alone, such as {odd[0]}. "
            "Compare runs of one data set."
        )
    if first.classes != second.classes:
        raise DataError(f"Runs that are compared must have the same classes; found {first.classes} and {second.classes}.")


def spread(scores: Scores, seed: int = 0) -> Spread:
    """Mean, interval, and the spreads over trainings and over cases, each on its own."""
    defined = ~np.isnan(scores)
    per_training, per_case = _means(scores, axis=1), _means(scores, axis=0)
    return Spread(
        mean=float(scores[defined].mean()) if defined.any() else math.nan,
        interval=mean_interval(scores, seed),
        training_std=_std(per_training),
        case_std=_std(per_case),
        trainings=scores.shape[0],
        cases=scores.shape[1],
        undefined=int((~defined).sum()),
    )


def mean_interval(scores: Scores, seed: int = 0) -> Interval:
    """Bootstrap interval (percentiles) of the mean of (T, N) scores.

    Trainings and cases are drawn with replacement, each on its own, and a score counts as often as its training and its case were drawn
    together: the pigeonhole bootstrap for crossed factors (Owen, Annals of Applied Statistics 2007), which is rather too wide than too
    narrow. With one training it is the ordinary bootstrap over cases. Two or three trainings cannot show how much trainings vary; the
    interval then is mostly that of the cases.
    """
    generator = np.random.default_rng(seed)
    return _percentiles(_resampled_means(scores, _counts(generator, scores.shape[1]), generator), scores.shape[1])


def difference_interval(ours: Scores, theirs: Scores, seed: int = 0) -> Interval:
    """Bootstrap interval of the mean difference of (T, N) and (U, N) scores of the same cases.

    As `mean_interval`; the same cases are drawn on both sides, trainings on each side on its own.
    """
    generator = np.random.default_rng(seed)
    counts = _counts(generator, ours.shape[1])
    return _percentiles(_resampled_means(ours, counts, generator) - _resampled_means(theirs, counts, generator), ours.shape[1])


def paired(ours: Scores, theirs: Scores, lower_is_better: bool = False, seed: int = 0) -> Paired:
    """How (T, N) scores differ from (U, N) scores of the same cases.

    The test is over cases, each with its mean over trainings: cases are independent of each other, trainings on the same scans are not.
    Cases without a score on one side are left out and counted.
    """
    first, second = _means(ours, axis=0), _means(theirs, axis=0)
    both = ~np.isnan(first - second)
    differences = (first - second)[both]
    gains = -differences if lower_is_better else differences
    p = signed_rank_p(differences)
    return Paired(
        difference=float(differences.mean()) if differences.size else math.nan,
        interval=difference_interval(ours[:, both], theirs[:, both], seed),
        p=p,
        p_holm=p,
        better=int((gains > 0).sum()),
        worse=int((gains < 0).sum()),
        equal=int((gains == 0).sum()),
        left_out=int((~both).sum()),
    )


def signed_rank_p(differences: NDArray[np.float64]) -> float:
    """Wilcoxon's signed-rank test, two-sided, exact for up to 50 cases without ties; nan without cases.

    As in Wilcoxon's paper, cases without a difference are left out of the test: they say nothing of a direction.
    """
    if not differences.size:
        return math.nan
    return float(wilcoxon(differences[differences != 0]).pvalue) if differences.any() else 1.0


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's step-down correction (Scandinavian Journal of Statistics 1979) of p-values that are looked at together; nan stays, uncounted.

    SciPy corrects for the false discovery rate alone, and statsmodels would bring pandas along for these lines.
    """
    known = sorted((p, i) for i, p in enumerate(ps) if not math.isnan(p))
    corrected, largest = list(ps), 0.0
    for rank, (p, i) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        corrected[i] = largest
    return corrected


def corrected(tests: Sequence[Paired]) -> list[Paired]:
    """The same comparisons with `p_holm` for all of them together."""
    return [replace(test, p_holm=p) for test, p in zip(tests, holm([test.p for test in tests]), strict=True)]


def compare_classes(ours: Sequence[Evaluation], theirs: Sequence[Evaluation], metric: str = "dice") -> dict[str, Paired]:
    """Paired comparison of each class, and under `MEAN` of their mean where there are several. `p_holm` is not corrected yet.

    Args:
        ours, theirs: evaluations of one or more trainings of each method.
        metric: of METRICS.

    Raises:
        DataError: they are not of the same cases and classes.
    """
    refuse_other_cases(ours[0], theirs[0])
    lower, found = metric in LOWER_IS_BETTER, {}
    for name in ours[0].compared():
        together = score_array([*ours, *theirs], name, metric)
        found[name] = paired(together[: len(ours)], together[len(ours) :], lower)
    return found


def _means(scores: Scores, axis: int) -> Scores:
    """Means over the defined scores along an axis; nan where there are none."""
    defined = ~np.isnan(scores)
    count = defined.sum(axis)
    return np.where(count > 0, np.where(defined, scores, 0).sum(axis) / np.maximum(count, 1), np.nan)


def _std(values: Scores) -> float:
    values = values[~np.isnan(values)]
    return float(values.std(ddof=1)) if values.size > 1 else math.nan


def _counts(generator: np.random.Generator, n: int) -> NDArray[np.int64]:
    """(RESAMPLES, n): how often each of n things is drawn in n draws with replacement."""
    return generator.multinomial(n, np.full(n, 1 / n), RESAMPLES) if n else np.zeros((RESAMPLES, 0), np.int64)


def _resampled_means(scores: Scores, case_counts: NDArray[np.int64], generator: np.random.Generator) -> Scores:
    """(RESAMPLES,) means of (T, N) scores, each score weighted by how often its training and its case were drawn."""
    defined = ~np.isnan(scores)
    training_counts = _counts(generator, scores.shape[0])
    total = (training_counts @ np.where(defined, scores, 0) * case_counts).sum(1)
    weight = (training_counts @ defined.astype(np.int64) * case_counts).sum(1)
    return np.where(weight > 0, total / np.maximum(weight, 1), np.nan)


def _percentiles(means: Scores, cases: int) -> Interval:
    means = means[~np.isnan(means)]
    if cases < 2 or not means.size:
        return Interval(math.nan, math.nan)
    low, high = np.quantile(means, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Interval(float(low), float(high))
