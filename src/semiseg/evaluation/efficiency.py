"""Label efficiency: the Dice at several label budgets, and how many more scans the next point of Dice would take."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from semiseg.evaluation.bootstrap import draw_counts, resampled_means
from semiseg.evaluation.gain import PERCENT
from semiseg.evaluation.intervals import LEVEL, Groups, Interval, Scores, mean_interval, means_along
from semiseg.evaluation.plateau import Plateau, Values, fit
from semiseg.evaluation.results import without_nan

GAIN = 0.01
"""Dice that is asked for: one point, as people count it."""
LEAST_BUDGETS = 3
"""A plateau has three numbers."""
REACH = 2.0
"""How far the curve is believed, in multiples of the largest budget: forecasts of learning curves go wrong fast beyond what was trained."""
REFITS = 200
"""Fits to resampled means. The ends of the interval move by about a tenth of it with other draws, and a fit takes milliseconds."""
FEW = 3
"""Trainings of a budget below which the sentence says that they show little of what seeds change."""
WITHIN = "that is within what test scans vary by: either more labels bring nothing here, or less than these runs can show"
BEYOND = "that is more than test scans vary by, so that the trainings differ in more than their labels"


@dataclass(frozen=True)
class Budget:
    """What was measured with one number of labels; `draws`: how many choices of labelled scans its trainings learned from."""

    labels: int
    mean: float
    interval: Interval
    trainings: int
    failures: int
    draws: int = 1


@dataclass(frozen=True)
class Efficiency:
    """A method's Dice over label budgets, and what can be said of more labels.

    Attributes:
        budgets: the smallest first.
        plateau: the fitted curve; None where there is none to be had, for the reason in `refusal`.
        refusal: a sentence, or empty.
        more: scans beyond the largest budget for `GAIN` more Dice, and the interval of that number; inf where the curve is not believed.
        level: where the curve levels off, as an interval.
        band: (3, points) labels, low and high end of the interval of the curve, up to `REACH`.
        cases: test cases that the means are over.
    """

    budgets: tuple[Budget, ...]
    plateau: Plateau | None
    refusal: str
    more: float
    more_interval: Interval
    level: Interval
    band: Values
    cases: int

    def sentence(self) -> str:
        """How many more scans for one more point of Dice, and what that leaves out; or why nobody can tell."""
        return self.refusal if self.plateau is None else f"{self.estimate(self.plateau)} {self.caution()}".rstrip()

    def estimate(self, fitted: Plateau) -> str:
        """How many more scans for one more point of Dice."""
        largest = self.budgets[-1].labels
        now = float(fitted.dice(largest))
        low, high = self.more_interval.low, self.more_interval.high
        beyond = f"ore than {math.ceil(largest * (REACH - 1))}"
        target = f"for +1 Dice, from {now:.3f} with {largest} to {now + GAIN:.3f}"
        if math.isinf(self.more):
            least = "" if math.isinf(low) else f" (at least {math.ceil(low)})"
            return (
                f"M{beyond} further labelled scans{least} {target}, if ever: the fitted curve does not get there with {REACH:g} times the "
                f"labels, and further than that the data say nothing."
            )
        interval = f"{PERCENT} interval {math.ceil(low)} to {f'm{beyond}' if math.isinf(high) else math.ceil(high)}"
        return f"About {math.ceil(self.more)} more labelled scans ({interval}) {target}."

    def caution(self) -> str:
        """What the interval leaves out."""
        said, fewest = [], min(budget.trainings for budget in self.budgets)
        if fewest == 1:
            said.append("Some budgets have one training only: what another seed would change is not in the interval.")
        elif fewest < FEW:
            said.append("Some budgets have two trainings only, which hardly show what another seed would change.")
        if min(budget.draws for budget in self.budgets) == 1:
            said.append(
                "Some budgets were trained with one choice of labelled scans only: what another would change is not in the interval."
            )
        return " ".join(said)

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON; what is not known, or lies beyond what the data support, is None."""
        fit = self.plateau
        budgets = [
            {**vars(budget), "interval": [budget.interval.low, budget.interval.high], "labels": budget.labels} for budget in self.budgets
        ]
        values: dict[str, Any] = {
            "sentence": self.sentence(),
            "budgets": budgets,
            "cases": self.cases,
            "fit": None if fit is None else {"a": fit.a, "b": fit.b * fit.n0**fit.c, "c": fit.c, "form": "a - b n^-c"},
            "level_interval": [self.level.low, self.level.high],
            "more_scans_for_one_point": self.more,
            "more_scans_interval": [self.more_interval.low, self.more_interval.high],
            "believed_up_to": REACH * self.budgets[-1].labels,
        }
        plain: dict[str, Any] = without_nan(values)
        return plain


def measure(
    scores: Mapping[int, Scores],
    failures: Mapping[int, int],
    draws: Mapping[int, int] | None = None,
    groups: Groups | None = None,
    seed: int = 0,
) -> Efficiency:
    """Fit a plateau to the mean Dice over label budgets, with intervals over trainings and cases.

    The bootstrap draws the same cases at every budget and the trainings of each on its own (see `resampled_means`), and fits each time
    anew.

    Args:
        scores: (T, N) by label budget, of the same cases.
        failures: by label budget.
        draws: by label budget, how many choices of labelled scans its trainings learned from. Default: one.
        groups: patient of each case, where one has several; patients are then what is drawn.
        seed: of the bootstrap.
    """
    order, choices = sorted(scores), draws or {}
    patients = np.arange(scores[order[0]].shape[1]) if groups is None else groups
    intervals = {n: mean_interval(scores[n], patients).within(0, 1) for n in order}
    budgets = tuple(
        Budget(n, float(np.nanmean(scores[n])), intervals[n], len(scores[n]), failures.get(n, 0), choices.get(n, 1)) for n in order
    )
    nothing, cases = Interval(math.nan, math.nan), scores[order[0]].shape[1]
    refusal = why_not(budgets, [scores[n] for n in order], patients)
    fitted = None if refusal else fit(order, [budget.mean for budget in budgets])
    if fitted is None:
        refusal = refusal or "No plateau could be fitted to these means."
        return Efficiency(budgets, None, refusal, math.nan, nothing, nothing, np.zeros((3, 0)), cases)
    refits = resampled_fits(order, [scores[n] for n in order], patients, seed)
    grid = np.geomspace(order[0], REACH * order[-1], 60)
    low, high = np.quantile([refit.dice(grid) for refit in refits], ((1 - LEVEL) / 2, (1 + LEVEL) / 2), axis=0)
    more = [believed(refit, order[-1]) for refit in refits]
    levels = middle([refit.a for refit in refits])
    return Efficiency(budgets, fitted, "", believed(fitted, order[-1]), middle(more), levels, np.stack([grid, low, high]), cases)


def why_not(budgets: tuple[Budget, ...], scores: list[Scores], patients: Groups) -> str:
    """Why no curve is fitted: a sentence, or empty."""
    if len(budgets) < LEAST_BUDGETS:
        few = "1 label budget" if len(budgets) == 1 else f"{len(budgets)} label budgets"
        return f"No curve: {few}; a plateau needs at least {LEAST_BUDGETS}. Train with others, for instance half of the labels."
    if len(set(patients.tolist())) < 2:
        return "No curve: one test scan (or patient) tells nothing of others."
    for at, (one, other) in enumerate(pairwise(budgets)):
        if other.mean < one.mean:
            gain = mean_interval((means_along(scores[at + 1], 0) - means_along(scores[at], 0))[None], patients)
            return (
                f"No curve: the mean Dice falls from {one.mean:.3f} with {one.labels} labels to {other.mean:.3f} with {other.labels}; "
                f"{WITHIN if gain.high >= 0 else BEYOND}. More seeds would tell."
            )
    return ""


def resampled_fits(labels: list[int], scores: list[Scores], patients: Groups, seed: int) -> list[Plateau]:
    """Plateaus of resampled means."""
    generator = np.random.default_rng(seed)
    counts = draw_counts(generator, patients)
    means = np.stack([resampled_means(each, counts, generator)[:REFITS] for each in scores], axis=1)  # (REFITS, budgets)
    fits = [fit(labels, row) for row in means if not np.isnan(row).any()]
    return [found for found in fits if found is not None]


def believed(plateau: Plateau, largest: int) -> float:
    """Scans beyond the largest budget for `GAIN` more Dice; inf where that lies beyond `REACH`."""
    more = plateau.labels(float(plateau.dice(largest)) + GAIN) - largest
    return more if more <= (REACH - 1) * largest else math.inf


def middle(values: list[float]) -> Interval:
    """The middle `LEVEL` of values, of which some may be inf."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    low, high = np.quantile(ordered, ((1 - LEVEL) / 2, (1 + LEVEL) / 2), method="closest_observation")
    return Interval(float(low), float(high))
