"""What the unlabelled scans bought: a run against its supervised control, in numbers and in one plain sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from semiseg.evaluation.intervals import LEVEL, Interval
from semiseg.evaluation.results import MEAN, Evaluation, without_nan
from semiseg.evaluation.statistics import Paired, compare_classes, corrected

PERCENT = f"{LEVEL:.0%}".replace("%", " %")
SCANS_ALONE = "over test scans alone"
CAUTION = "another seed may reverse it"
"""What an interval is over where a side has one training."""
MORE_SEEDS = "Train both again with another --seed and --out, then run `semiseg report` on all runs."


@dataclass(frozen=True)
class Gain:
    """Dice of a run less that of its control, by class and under `MEAN`."""

    classes: dict[str, Paired]

    @property
    def overall(self) -> Paired:
        """Of the mean over classes, or of the only class."""
        return self.classes.get(MEAN) or next(iter(self.classes.values()))

    def sentence(self) -> str:
        """What to tell a person. One training of each proves nothing, and the sentence then says how to get more."""
        found = finding(self.overall, "the run with the unlabelled scans", "the supervised control")
        return f"{found[0].upper()}{found[1:]}." + ("" if self.overall.knows_seeds else f" {MORE_SEEDS}")

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        classes = {name: asdict(paired) for name, paired in self.classes.items()}
        values: dict[str, Any] = without_nan({"metric": "dice", "level": LEVEL, "sentence": self.sentence(), "classes": classes})
        return values

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Gain:
        """What `as_dict` gave, of this version or an older one; its sentence is made anew."""
        return Gain({name: read_paired(row) for name, row in values["classes"].items()})


def measured(run: Evaluation, control: Evaluation) -> Gain:
    """The gain of a run over its control; tests are corrected over the classes.

    Raises:
        DataError: they are not of the same cases and classes.
    """
    found = compare_classes([run], [control])
    return Gain(dict(zip(found, corrected(list(found.values())), strict=True)))


def read_paired(row: Mapping[str, Any]) -> Paired:
    """A comparison out of a file; None is nan there."""

    def read(values: Mapping[str, Any]) -> dict[str, Any]:
        return {key: math.nan if value is None else value for key, value in values.items()}

    ours, theirs = row.get("trainings", (1, 1))
    return Paired(**{**read(row), "interval": Interval(**read(row["interval"])), "trainings": (ours, theirs)})


def finding(paired: Paired, ours: str, theirs: str) -> str:
    """What a comparison with a supervised control shows of the unlabelled scans: a sentence without its full stop.

    "Helped" and "did harm" are said only of several trainings on both sides, and where their interval leaves out zero.
    """
    if not (paired.knows_seeds or math.isnan(paired.interval.low)):
        return f"{ahead(paired, ours, theirs)}: {in_words(paired)}; {CAUTION}"
    return f"{judgement(paired)}: {in_words(paired)}, against {theirs}"


def judgement(paired: Paired) -> str:
    """Whether the unlabelled scans helped, as far as the interval of the difference to a supervised control can tell."""
    if math.isnan(paired.interval.low):
        return f"one test {'patient' if paired.patients else 'scan'} cannot tell whether the unlabelled scans helped"
    if not paired.knows_seeds:
        return "one training cannot tell whether the unlabelled scans helped"
    if paired.interval.low > 0:
        return "the unlabelled scans helped"
    if paired.interval.high < 0:
        return "the unlabelled scans did harm"
    return "the unlabelled scans did not help measurably here"


def ahead(paired: Paired, ours: str, theirs: str) -> str:
    """Which side scored higher, of trainings that prove nothing."""
    these = "these two trainings" if paired.trainings == (1, 1) else f"these {paired.trainings[0]} and {paired.trainings[1]} trainings"
    how = "ahead of" if paired.difference > 0 else "behind" if paired.difference < 0 else "level with"
    return f"in {these} {ours} was {how} {theirs}"


def in_words(paired: Paired) -> str:
    """A difference of Dice as a phrase; of one test scan, which has no interval, the difference alone."""
    if math.isnan(paired.difference):
        return "no test scan has a Dice on both sides"
    if math.isnan(paired.interval.low):
        return f"{paired.difference:+.3f} Dice there"
    over = "" if paired.knows_seeds else f" {SCANS_ALONE}"
    return (
        f"{paired.difference:+.3f} Dice ({PERCENT} interval{over} {paired.interval.low:+.3f} to {paired.interval.high:+.3f}), "
        f"better in {paired.better} of {paired.cases} test {'patients' if paired.patients else 'scans'}, "
        + ("p < 0.0001" if paired.p < 1e-4 else f"p = {paired.p:.2g}")
    )
