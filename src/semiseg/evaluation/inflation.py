"""Best-checkpoint inflation: what choosing the checkpoint on the test cases adds to the scores of the last step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semiseg.evaluation.intervals import Interval, mean_interval
from semiseg.evaluation.results import Evaluation
from semiseg.evaluation.statistics import case_groups, refuse_other_cases, score_array


@dataclass(frozen=True)
class Inflation:
    """Selected on test less last step, of the same trainings.

    Attributes:
        last, selected: mean score of each.
        difference: selected less last.
        interval: of the difference, over trainings and cases; with one training, over cases alone.
        largest: of a single training.
        trainings: how many there are.
    """

    last: float
    selected: float
    difference: float
    interval: Interval
    largest: float
    trainings: int


def inflation(last: Sequence[Evaluation], selected: Sequence[Evaluation], metric: str = "dice") -> dict[str, Inflation]:
    """By class, and under `MEAN` where there are several.

    Args:
        last: scores of the last step.
        selected: of the same trainings in the same order, the checkpoint that was best on the test cases.
        metric: of METRICS.

    Raises:
        DataError: they are not of the same cases and classes.
    """
    for one, other in zip(last, selected, strict=True):
        refuse_other_cases(one, other)
    found, groups = {}, case_groups(last)
    for name in last[0].compared():
        both = score_array([*last, *selected], name, metric)
        before, after = both[: len(last)], both[len(last) :]
        gains = after - before  # (T, N): each training with itself, so that seeds drop out
        per_training = np.nanmean(gains, axis=1)
        means = float(np.nanmean(before)), float(np.nanmean(after))
        found[name] = Inflation(*means, float(np.nanmean(gains)), mean_interval(gains, groups), float(per_training.max()), len(last))
    return found
