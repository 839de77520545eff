"""Is a difference real: spreads, intervals and paired tests, over cases and over trainings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from semiseg.errors import DataError
from semiseg.evaluation.intervals import Groups, Interval, Scores, difference_interval, mean_interval, means_along
from semiseg.evaluation.results import MEAN, Evaluation, failed

LOWER_IS_BETTER = ("hd95_voxel", "asd_voxel", "assd_voxel", "hd95_mm", "asd_mm", "assd_mm")
SEVERAL = 2
"""Trainings of a method below which nobody knows what another seed would change."""


@dataclass(frozen=True)
class Spread:
    """The mean of a score of 0 to 1, and what it varies with.

    Attributes:
        mean: over cases, each with its mean over trainings.
        interval: of the mean, over trainings and cases; with one training, over cases alone.
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
        interval: of the difference, over trainings and cases; over cases alone where a side has one training.
        p: of Wilcoxon's signed-rank test over cases (patients), two-sided, given these trainings.
        p_holm: the same, corrected for the number of tests that were made together.
        better, worse, equal: in how many cases (patients) ours is so.
        left_out: cases that are in no mean difference, since a side has no score there.
        trainings: of ours and of theirs.
        patients: whether several cases are of one patient, so that patients are tested, drawn and counted.
    """

    difference: float
    interval: Interval
    p: float
    p_holm: float
    better: int
    worse: int
    equal: int
    left_out: int
    trainings: tuple[int, int] = (1, 1)
    patients: bool = False

    @property
    def cases(self) -> int:
        """Cases (patients) that are better, worse or equal."""
        return self.better + self.worse + self.equal

    @property
    def knows_seeds(self) -> bool:
        """Whether both sides have trainings enough for the interval to count what seeds change."""
        return min(self.trainings) >= SEVERAL


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


def case_groups(evaluations: Sequence[Evaluation]) -> Groups:
    """(N,): the number of the patient of each case of the first evaluation; a case is its own where no evaluation says whose it is."""
    known = {case.id: case.group for evaluation in evaluations for case in evaluation.cases if case.group}
    numbers: dict[tuple[str, str], int] = {}
    keys = [("group", known[case.id]) if case.id in known else ("case", case.id) for case in evaluations[0].cases]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def spread(scores: Scores, groups: Groups | None = None) -> Spread:
    """Mean, interval, and the spreads over trainings and over cases, each on its own, of (T, N) scores."""
    defined = ~np.isnan(scores)
    per_training, per_case = means_along(scores, axis=1), means_along(scores, axis=0)
    return Spread(
        mean=float(np.nanmean(per_case)) if defined.any() else math.nan,
        interval=mean_interval(scores, groups).within(0, 1),
        training_std=_std(per_training),
        case_std=_std(per_case),
        trainings=scores.shape[0],
        cases=scores.shape[1],
        undefined=int((~defined).sum()),
    )


def paired(
    ours: Scores,
    theirs: Scores,
    lower_is_better: bool = False,
    groups: Groups | None = None,
    judged: tuple[Scores, Scores] | None = None,
) -> Paired:
    """How (T, N) scores differ from (U, N) scores of the same cases.

    The test is over cases, each with its mean over trainings: cases are independent of each other, trainings on the same scans are not.

    Args:
        ours, theirs: scores.
        lower_is_better: the metric is a distance.
        groups: patient of each case, where one has several: their mean differences are tested, since their scans are not independent.
        judged: what is tested and counted instead of the scores; see `judged`.
    """
    first, second = means_along(ours, axis=0), means_along(theirs, axis=0)
    both = ~np.isnan(first - second)
    one, other = judged or (ours, theirs)
    gains = (means_along(one, axis=0) - means_along(other, axis=0)) * (-1 if lower_is_better else 1)
    numbers = np.arange(gains.size) if groups is None else groups
    units = np.array([gains[(numbers == unit) & ~np.isnan(gains)].mean() for unit in np.unique(numbers[~np.isnan(gains)])])
    p = signed_rank_p(units)
    return Paired(
        difference=float((first - second)[both].mean()) if both.any() else math.nan,
        interval=difference_interval(ours, theirs, groups),
        p=p,
        p_holm=p,
        better=int((units > 0).sum()),
        worse=int((units < 0).sum()),
        equal=int((units == 0).sum()),
        left_out=int((~both).sum()),
        trainings=(len(ours), len(theirs)),
        patients=len(np.unique(numbers)) < len(numbers),
    )


def judged(evaluations: Sequence[Evaluation], name: str, metric: str, scores: Scores) -> Scores:
    """(T, N) scores as they are tested and counted: what has none for a good or a bad reason is the best or the worst.

    Who rightly leaves a class out that is not there has a Dice of 1 and no distance: 0. A failure has a Dice of 0, and as a distance
    twice the largest of all, so that it differs by more than any two distances do. nan stays where a distance is unknown for want of a
    spacing, and where no evaluation has a score and none failed.
    """
    largest = float(np.nanmax(scores)) if not np.isnan(scores).all() else 1.0
    best, worst = (0.0, 2 * largest) if metric in LOWER_IS_BETTER else (1.0, 0.0)
    ids, found = [case.id for case in evaluations[0].cases], scores.copy()
    for row, evaluation in zip(found, evaluations, strict=True):
        classes = {case.id: [score for score in case.classes if name in (MEAN, score.name)] for case in evaluation.cases}
        for place in np.flatnonzero(np.isnan(row)):
            those = classes[ids[place]]
            if any(map(failed, those)):
                row[place] = worst
            elif all(score.status == "both empty" for score in those):
                row[place] = best
    nothing = np.isnan(scores).all(0) & (found == best).all(0)
    found[:, nothing] = math.nan
    return found


def signed_rank_p(differences: NDArray[np.float64]) -> float:
    """Wilcoxon's signed-rank test, two-sided, exact for up to 50 cases (or patients) without ties; nan without cases.

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


def compare_classes(
    ours: Sequence[Evaluation], theirs: Sequence[Evaluation], metric: str = "dice", names: Sequence[str] = ()
) -> dict[str, Paired]:
    """Paired comparison of each class, and under `MEAN` of their mean where there are several. `p_holm` is not corrected yet.

    Args:
        ours, theirs: evaluations of one or more trainings of each method.
        metric: of METRICS.
        names: of the classes, or `MEAN`. Default: all.

    Raises:
        DataError: they are not of the same cases and classes.
    """
    refuse_other_cases(ours[0], theirs[0])
    both = [*ours, *theirs]
    groups, found, count = case_groups(both), {}, len(ours)
    for name in names or ours[0].compared():
        scores = score_array(both, name, metric)
        tested = judged(both, name, metric, scores)
        found[name] = paired(scores[:count], scores[count:], metric in LOWER_IS_BETTER, groups, (tested[:count], tested[count:]))
    return found


def _std(values: Scores) -> float:
    values = values[~np.isnan(values)]
    return float(values.std(ddof=1)) if values.size > 1 else math.nan
