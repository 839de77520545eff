"""Is a difference real: spreads, bootstrap intervals and paired tests, over cases and over trainings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from semiseg.errors import DataError
from semiseg.evaluation.bootstrap import Interval, Scores, difference_interval, mean_interval, means_along
from semiseg.evaluation.results import Evaluation

LOWER_IS_BETTER = ("hd95_voxel", "asd_voxel", "assd_voxel", "hd95_mm", "asd_mm", "assd_mm")


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
    per_training, per_case = means_along(scores, axis=1), means_along(scores, axis=0)
    return Spread(
        mean=float(scores[defined].mean()) if defined.any() else math.nan,
        interval=mean_interval(scores, seed),
        training_std=_std(per_training),
        case_std=_std(per_case),
        trainings=scores.shape[0],
        cases=scores.shape[1],
        undefined=int((~defined).sum()),
    )


def paired(ours: Scores, theirs: Scores, lower_is_better: bool = False, seed: int = 0) -> Paired:
    """How (T, N) scores differ from (U, N) scores of the same cases.

    The test is over cases, each with its mean over trainings: cases are independent of each other, trainings on the same scans are not.
    Cases without a score on one side are left out and counted.
    """
    first, second = means_along(ours, axis=0), means_along(theirs, axis=0)
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


def _std(values: Scores) -> float:
    values = values[~np.isnan(values)]
    return float(values.std(ddof=1)) if values.size > 1 else math.nan
