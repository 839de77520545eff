"""What the unlabelled scans bought: a run against its supervised control, in numbers and in one plain sentence."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from semiseg.evaluation.bootstrap import LEVEL
from semiseg.evaluation.results import MEAN, Evaluation, without_nan
from semiseg.evaluation.statistics import Paired, compare_classes, corrected

PERCENT = f"{LEVEL:.0%}".replace("%", " %")


@dataclass(frozen=True)
class Gain:
    """Dice of a run less that of its control, by class and under `MEAN`. One training of each."""

    classes: dict[str, Paired]

    @property
    def overall(self) -> Paired:
        """Of the mean over classes, or of the only class."""
        return self.classes.get(MEAN) or next(iter(self.classes.values()))

    def sentence(self) -> str:
        """What to tell a person. "Bought" and "cost" are said only where the interval leaves out zero."""
        found = f"{verdict(self.overall)}: {in_words(self.overall)}"
        return f"{found[0].upper()}{found[1:]}, against the supervised control. One training of each; other seeds give other differences."

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        classes = {name: asdict(paired) for name, paired in self.classes.items()}
        values: dict[str, Any] = without_nan({"metric": "dice", "level": LEVEL, "sentence": self.sentence(), "classes": classes})
        return values


def measured(run: Evaluation, control: Evaluation) -> Gain:
    """The gain of a run over its control; tests are corrected over the classes.

    Raises:
        DataError: they are not of the same cases and classes.
    """
    found = compare_classes([run], [control])
    return Gain(dict(zip(found, corrected(list(found.values())), strict=True)))


def verdict(paired: Paired) -> str:
    """Whether the unlabelled scans helped, as far as the interval of the difference to a supervised control can tell."""
    if paired.interval.low > 0:
        return "the unlabelled scans helped"
    if paired.interval.high < 0:
        return "the unlabelled scans did harm"
    return "the unlabelled scans did not help measurably here"


def in_words(paired: Paired) -> str:
    """A difference of Dice as a phrase."""
    return (
        f"{paired.difference:+.3f} Dice ({PERCENT} interval {paired.interval.low:+.3f} to {paired.interval.high:+.3f}), "
        f"better in {paired.better} of {paired.cases} test scans, p = {paired.p:.2g}"
    )
