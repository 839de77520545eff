"""A data set as lists of cases, and its split into labelled and unlabelled cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from semiseg.case import IGNORE, WHOLE_LABEL, Case
from semiseg.data.faults import LayoutError, Refuse, some, stop
from semiseg.data.formats import describe
from semiseg.data.labels import labeled_values, mapped_names, way_out, written_class
from semiseg.data.preparation import Preparation
from semiseg.errors import DataError


@dataclass(frozen=True, eq=False)
class Split:
    """What one training may see, and what it is judged on.

    Attributes:
        labeled: training cases with their labels.
        unlabeled: training cases without: their `label` is None, whatever lies on the disk.
        validation, test: cases with their labels where there are any. Neither is for training.
        named: names of the foreground classes, or None where nobody named them.
    """

    labeled: tuple[Case, ...]
    unlabeled: tuple[Case, ...]
    validation: tuple[Case, ...]
    test: tuple[Case, ...]
    named: tuple[str, ...] | None = None

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the foreground classes; unless they were given, found in the labels of the **labelled** cases alone."""
        return self.named if self.named is not None else find_classes(self.labeled)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Cases, and which of them are for what.

    Attributes:
        name: of the data set.
        named: names of the foreground classes 1, 2, ... or None where nobody named them (see `classes`).
        train, validation, test: cases in published order; no id twice, no group in two of them.
        dimensions: of the training cases, 2 or 3.
        spacing_known: False where distances in mm would be made up.
        preparation: what this set's publications do to a scan before training; for other sets the default.
        layout: how the folder was read, in words; empty for cases that are no folder's.
        unread: what lies among the scans of the folder and was passed over: files of formats that are not read, folders.

    Raises:
        DataError: an id appears twice, or a group (patient) lies in two parts.
    """

    name: str
    named: tuple[str, ...] | None
    train: tuple[Case, ...]
    validation: tuple[Case, ...] = ()
    test: tuple[Case, ...] = ()
    dimensions: int = 3
    spacing_known: bool = True
    preparation: Preparation = field(default_factory=Preparation)
    layout: str = ""
    unread: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        kept_apart(self.name, self.parts)

    @property
    def parts(self) -> dict[str, tuple[Case, ...]]:
        """The cases by what they are for: train, validation, test."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the foreground classes; unless they were given, found in **all** labels of `train`.

        A training under a label budget should ask `Split.classes`, which opens the labelled cases alone.
        """
        return self.named if self.named is not None else find_classes(self.train)

    def with_classes(self, names: tuple[str, ...] | None) -> Dataset:
        """The same cases, the foreground classes 1, 2, ... called so; None changes nothing."""
        return self if names is None else replace(self, named=names)

    def summary(self) -> str:
        """What was found and how it was read, on one line; no label is opened for it."""
        labeled = sum(case.label is not None for case in self.train)
        partly = sum(case.label is not None and case.labeled_part != WHOLE_LABEL for case in self.train)
        parts = {"validation": self.validation, "test": self.test}
        facts = [
            f"{len(self.train)} training cases, {labeled} with a label" + (f" ({partly} of them in part)" if partly else ""),
            *(f"{len(part)} {name}" for name, part in parts.items() if part),
        ]
        modalities = len(next((case.images for part in (self.train, *parts.values()) for case in part), ()))
        facts += [f"{modalities} modalities"] if modalities > 1 else []
        facts += [f"classes {', '.join(self.named)}"] if self.named else []
        mapped = next((case.label_map for case in self.train), {})
        facts += [f"label values {', '.join(f'{value} as {written_class(k)}' for value, k in mapped.items())}"] if mapped else []
        facts += [f"{some(self.unread)} passed over"] if self.unread else []
        return f"{self.name}, read as {self.layout or 'cases'}: {'; '.join(facts)}"

    def relabeled(self, label_map: Mapping[int, int]) -> Dataset:
        """The same cases, the values of their label files read as `label_map` says (before what the data set says of them itself).

        Names of classes move with their values; where that leaves a class without a name, all are to be named anew.
        """
        if not label_map:
            return self
        old = next((case.label_map for case in (*self.train, *self.validation, *self.test)), {})
        named = None if self.named is None else mapped_names(self.named, old, {**old, **label_map})

        def mapped(cases: tuple[Case, ...]) -> tuple[Case, ...]:
            return tuple(replace(case, label_map={**case.label_map, **label_map}) for case in cases)

        return replace(self, named=named, train=mapped(self.train), validation=mapped(self.validation), test=mapped(self.test))

    def split(self, labeled: int | None = None, draw: int = 0, held_out: int = 0) -> Split:
        """Keep the labels of `labeled` groups (patients) of `train`; take them from all other training cases.

        Args:
            labeled: how many groups, of those that have a label; None for every case that has one.
            draw: 0 takes the first groups in published order; any other number is the seed of a random order. Budgets nest:
                the 4 groups of a draw are among the 8 of the same draw.
            held_out: how many of these groups become the validation cases: the first of the draw, so that they are the same for every
                budget. With 0 the validation cases are those that the data set comes with.

        Raises:
            DataError: no training case has a label, there are fewer than asked for, or none would be left to learn from.
        """
        groups = list(dict.fromkeys(group_of(case) for case in self.train if case.label is not None))
        if not groups:
            raise DataError(f"{self.name}: no training case has a label. Label at least one scan.")
        if labeled is not None and not 1 <= labeled <= len(groups):
            raise DataError(
                f"{self.name}: {labeled} labelled cases were asked for; expected 1..{len(groups)}, which is how many have a label."
            )
        if draw:
            groups = [groups[i] for i in np.random.default_rng(draw).permutation(len(groups))]
        chosen = groups[:labeled]
        if held_out >= len(chosen):
            raise DataError(
                f"{self.name}: {held_out} of {len(chosen)} labelled cases were to be held out for validation, which leaves none to learn "
                "from. Label more, or hold out fewer."
            )
        home = dict.fromkeys(chosen, "labeled") | dict.fromkeys(chosen[:held_out], "validation")
        parts: dict[str, list[Case]] = {"labeled": [], "validation": [], "unlabeled": []}
        for case in self.train:
            part = home.get(group_of(case), "unlabeled") if case.label is not None else "unlabeled"
            parts[part].append(case.unlabeled() if part == "unlabeled" else case)
        return Split(
            labeled=tuple(parts["labeled"]),
            unlabeled=tuple(parts["unlabeled"]),
            validation=tuple(parts["validation"]) if held_out else self.validation,
            test=self.test,
            named=self.named,
        )


def group_of(case: Case) -> str:
    """The group (patient) of a case; a case without one is its own."""
    return case.group or case.id


def kept_apart(name: str, parts: Mapping[str, Sequence[Case]], refuse: Refuse = stop) -> dict[str, tuple[Case, ...]]:
    """`parts` if no id stands in them twice, and no group (patient) in two of them.

    Where `refuse` returns, an id is left out the second time, and a case whose group is elsewhere counts as a group of its own.
    """
    seen: set[str] = set()
    homes: dict[str, str] = {}
    kept: dict[str, list[Case]] = {part: [] for part in parts}
    for part, cases in parts.items():
        for case in cases:
            if case.id in seen:
                message = f"{name}: {case.id} appears more than once. Every case needs an id of its own, in one list only."
                refuse(LayoutError("case twice", message, case.id))
                continue
            seen.add(case.id)
            home = homes.setdefault(group_of(case), part)
            if home != part:
                message = (
                    f"{name}: group '{group_of(case)}' has cases in both {home} and {part} ({case.id}). Keep a patient's scans together."
                )
                refuse(LayoutError("patient in two parts", message, case.id))
                case = replace(case, group=f"{part} {case.id}")
            kept[part].append(case)
    return {part: tuple(cases) for part, cases in kept.items()}


def find_classes(cases: Iterable[Case]) -> tuple[str, ...]:
    """`class_1`, `class_2`, ... as many as the labels of `cases` hold.

    Raises:
        DataError: the values are not 0, 1, 2, ... without a gap, so that they cannot be told from a slip.
    """
    where: dict[int, str] = {}
    label_map: dict[int, int] = {}
    numbers = {0}
    for case in cases:
        if case.label is not None:
            label_map.update(case.label_map)
            for value in labeled_values(case.label, case.label_map, case.labeled_part):
                where.setdefault(value, describe(case.label))
                numbers.add(case.label_map.get(value, value))
    highest = max(numbers)
    if highest == 0 or sorted(numbers) != list(range(highest + 1)):
        found = "{" + ", ".join(str(value) for value in sorted(where)) + "}"
        source = where[max(where)] if where else "the labels"
        if max(where, default=0) > 0:
            if highest == 0:  # the map leaves background alone
                label_map = {value: number if number == IGNORE else value for value, number in label_map.items()}
            help_out = f"{way_out(where, label_map=label_map)}, or name the classes"
        else:
            help_out = "Label at least one voxel, or name the classes"
        raise DataError(
            f"{source}: the labelled cases hold the values {found}; expected 0 (background), 1, 2, ... without a gap. "
            f"{help_out} if some are rare."
        )
    return tuple(f"class_{k}" for k in range(1, highest + 1))
