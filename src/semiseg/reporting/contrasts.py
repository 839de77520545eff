"""Which groups of trainings are set against each other: those of one label budget and one protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from semiseg.evaluation.results import MEAN
from semiseg.evaluation.statistics import Paired, compare_classes, corrected
from semiseg.reporting.protocols import kind
from semiseg.reporting.runs import Group


@dataclass(frozen=True)
class Contrast:
    """A group against its control, by class and under `MEAN`."""

    group: Group
    control: Group
    classes: dict[str, Paired]

    @property
    def overall(self) -> Paired:
        """Of the mean over classes, or of the only class."""
        return self.classes.get(MEAN) or next(iter(self.classes.values()))

    @property
    def is_gain(self) -> bool:
        """Whether the difference is what unlabelled scans bought, or cost, and nothing else."""
        return self.group.uses_unlabeled and not self.control.uses_unlabeled and not unequal(self.group, self.control)


def contrast(group: Group, control: Group, metric: str = "dice") -> Contrast:
    """One metric of both, by class; tests corrected over the classes."""
    found = compare_classes(group.evaluations, control.evaluations, metric)
    return Contrast(group, control, dict(zip(found, corrected(list(found.values())), strict=True)))


def fields(groups: Sequence[Group]) -> list[list[Group]]:
    """Groups that may be ranked and tested against each other: those of the same label budget and protocol."""
    found: dict[tuple[int, str], list[Group]] = {}
    for group in groups:
        found.setdefault((group.budget, kind(group)), []).append(group)
    return list(found.values())


def field_of(group: Group, groups: Sequence[Group]) -> list[Group]:
    """Those that a group may be ranked and tested against, and itself."""
    return next(field for field in fields(groups) if group in field)


def contrasts(groups: Sequence[Group], metric: str = "dice") -> list[Contrast]:
    """Each group against `control_of` it; tests corrected together."""
    pairs = [(group, control_of(group, groups)) for group in groups]
    found = [(group, control, compare_classes(group.evaluations, control.evaluations, metric)) for group, control in pairs if control]
    tests = iter(corrected([paired for _, _, classes in found for paired in classes.values()]))
    return [Contrast(group, control, {name: next(tests) for name in classes}) for group, control, classes in found]


def control_of(group: Group, groups: Sequence[Group]) -> Group | None:
    """What a group is set against in its field: a supervised one of equal budget, else the first supervised one, else the first of all.

    None for the first supervised one of a field, which is the control of the others, and for the first of a field without any.
    """
    field = field_of(group, groups)
    supervised = [other for other in field if not other.uses_unlabeled] or field[:1]
    if group is supervised[0]:
        return None
    equal = (other for other in supervised if other is not group and not unequal(group, other))
    return next(equal, supervised[0]) if group.uses_unlabeled else supervised[0]


def without_unlabeled(group: Group, groups: Sequence[Group]) -> Group | None:
    """The same method with its unlabelled part switched off, of equal budget, if it is there: a control that shares all else of it."""
    same = (other for other in field_of(group, groups) if not other.uses_unlabeled and other.runs[0].method == group.runs[0].method)
    return next((other for other in same if not unequal(group, other)), None) if group.uses_unlabeled else None


def unequal(group: Group, control: Group) -> list[str]:
    """What a control must share for the difference to be that of the unlabelled scans, where it does not: phrases, ours / theirs."""
    found = []
    for name, ours, theirs in zip(SHARED, shared(group), shared(control), strict=True):
        if ours != theirs:
            found.append(f"{name} {' / '.join(', '.join(map(str, values)) for values in (ours, theirs))}")
    return found


SHARED = ("steps", "labelled batch", "seeds", "label draws")


def shared(group: Group) -> tuple[list[int], ...]:
    """The values of `SHARED` of a group's trainings, each once."""
    values = [(run.training.steps, run.training.labeled_batch, run.seed, run.data.draw) for run in group.runs]
    return tuple(sorted(set(column)) for column in zip(*values, strict=True))


def every_pair(field: Sequence[Group], metric: str = "dice") -> list[Contrast]:
    """Each two groups of a field, by the mean over classes (or the only class); tests corrected over all of them."""
    name = field[0].evaluations[0].compared()[-1]
    pairs = list(combinations(field, 2))
    tests = corrected([compare_classes(one.evaluations, other.evaluations, metric, (name,))[name] for one, other in pairs])
    return [Contrast(one, other, {name: test}) for (one, other), test in zip(pairs, tests, strict=True)]
