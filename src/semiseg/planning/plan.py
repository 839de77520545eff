"""A plan: every setting that a run leaves open, chosen from the data and the machine, with the reason for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from semiseg.config import Run
from semiseg.data.dataset import Dataset, Split
from semiseg.planning.cost import StepSize, step_memory, step_seconds
from semiseg.planning.draft import Choice, Draft
from semiseg.planning.fingerprint import Fingerprint
from semiseg.planning.grid import choose_grid
from semiseg.planning.intensities import choose_normalization
from semiseg.planning.machine import Machine
from semiseg.planning.schedule import choose_schedule
from semiseg.planning.size import choose_size

MOST_WORKERS = 8
"""Threads that read files; a disk rarely feeds more."""
WITHOUT_UNLABELED = "supervised"


@dataclass(frozen=True)
class Plan:
    """What will be trained, and why so.

    Attributes:
        asked: the run as it was asked for.
        run: the same with nothing left open.
        choices: in the order in which they were made.
        found: what the training scans are like.
        machine: what it was planned for.
        workers: threads that prepare scans.
        memory: bytes that a step is expected to take at its peak.
        seconds: that all steps are expected to take; None on a device whose speed was never measured.
    """

    asked: Run
    run: Run
    choices: tuple[Choice, ...]
    found: Fingerprint
    machine: Machine
    workers: int
    memory: int
    seconds: float | None

    @property
    def own(self) -> tuple[Choice, ...]:
        """The choices that nobody had made before."""
        return tuple(choice for choice in self.choices if choice.by == "plan")


def dataset_layer(dataset: Dataset, folder: str | None) -> dict[str, Any]:
    """What a data set says of a run before anybody else does."""
    return {"data": {"folder": folder}, "preparation": dataset.preparation.model_dump(exclude_unset=True)}


def method_layer(layers: Sequence[Mapping[str, Any]], split: Split) -> dict[str, Any]:
    """The method, where no layer names one: CML, or supervised where there is nothing to learn from but labelled scans."""
    named = any("method" in layer or "settings" in layer for layer in layers)
    learns = split.unlabeled or any(case.partly_labeled for case in split.labeled)
    return {} if named or learns else {"method": WITHOUT_UNLABELED}


def make_plan(asked: Run, dataset: Dataset, found: Fingerprint, machine: Machine, method_named: bool = True) -> Plan:
    """Fill in what `asked` leaves open.

    Args:
        asked: the run as it was asked for; what is set in it stays.
        dataset: whose cases `found` was measured on.
        found: see `fingerprint`.
        machine: see `this_machine`.
        method_named: whether the method was asked for, or came from `method_layer`.

    Raises:
        SettingsError: what is set does not go together.
    """
    draft = Draft(asked, frozenset(f"preparation.{name}" for name in dataset.preparation.model_fields_set))
    choose_method(draft, found, method_named)
    draft.fill("data.classes", found.classes)
    draft.fill("data.channels", len(found.modalities))
    choose_normalization(draft, found)
    grid = choose_grid(draft, found)
    size = choose_size(draft, grid, machine)
    choose_schedule(draft, grid.dimensions, machine)
    run = draft.run()
    return Plan(asked, run, tuple(draft.choices), found, machine, min(machine.cores, MOST_WORKERS), *expected(run, size, machine))


def choose_method(draft: Draft, found: Fingerprint, named: bool) -> None:
    """Note the method, and why."""
    if named:
        draft.keep("method")
        return
    if draft.get("method") == WITHOUT_UNLABELED:
        reason = "every training scan has a label: there is nothing else to learn from"
    elif found.unlabeled:
        reason = f"{found.unlabeled} of {found.labeled + found.unlabeled} training scans have no label, and CML learns from them too"
    else:
        reason = "some training scans are labelled in part, and CML learns from the rest of them too"
    draft.choices.append(Choice("method", draft.get("method"), reason))


def expected(run: Run, size: StepSize, machine: Machine) -> tuple[int, float | None]:
    """Peak memory of a step, and seconds of all steps."""
    seconds = step_seconds(size, machine, run.wants_unlabeled)
    return step_memory(size, run.wants_unlabeled), None if seconds is None else seconds * run.training.steps
