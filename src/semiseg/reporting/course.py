"""The parts of a page on how the trainings went: losses, costs, and the health of the pseudo-labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from semiseg.reporting.html import Picture, Section
from semiseg.reporting.runs import Group, text, training_names
from semiseg.reporting.tables import Table
from semiseg.reporting.training_figures import agreement_curves, health_curves, loss_curves
from semiseg.run_folder import RunFolder
from semiseg.training.health import AGREEMENT, CHANGE, FLOOR, PATIENCE, collapsed, looks_of, volumes
from semiseg.training.log import read_log

SHOWN = 6
"""Methods in pictures, at most."""
ABOUT_HEALTH = (
    "Every so often a training looks at what it makes of the same unlabelled patches. Volume: how much of a class its pseudo-labels hold, "
    "as a multiple of what the labels hold (1: as much). Agreement of two views, and change since the last look, are shares of the "
    f"foreground of either. A class has collapsed when its volume is below {FLOOR:g} in {PATIENCE} looks in a row."
)


def course(folders: Mapping[str, RunFolder]) -> Section:
    """How the losses fell, and what the training took."""
    logs = {name: read_log(folder) for name, folder in list(folders.items())[:SHOWN]}
    logs = {name: rows for name, rows in logs.items() if rows}
    alt = f"Curves of the training loss over the steps: {', '.join(logs)}."
    caption = "Sum of the losses of the first training of each method; methods add up different terms. A dashed line is the end of a stage."
    curves = (Picture(loss_curves(logs), alt, caption, dark=loss_curves(logs, dark=True)),) if logs else ()
    rows = [cost_row(name, folder.read_json("cost.json")) for name, folder in folders.items()]
    table = Table(("Method", "Device", "Seconds", "Seconds a step", "Peak memory [MB]"), tuple(rows))
    return Section("Training", tables=(("What the first training of each method took.", table),), pictures=curves)


def cost_row(name: str, cost: Mapping[str, Any] | None) -> tuple[str, ...]:
    """What one training took; dashes where that is not known."""
    if cost is None:
        return name, "–", "–", "–", "–"
    memory = text(cost["peak_memory_mb"] and round(cost["peak_memory_mb"]))
    return name, cost["device"], f"{cost['seconds']:.0f}", f"{cost['seconds_per_step']:.3f}", memory


def health(groups: Sequence[Group]) -> tuple[Section, ...]:
    """The pseudo-labels of every training that was looked at; nothing where none was."""
    logs = {
        name: (folder, read_log(folder))
        for group in groups
        for name, (folder, _) in zip(training_names(group), group.trainings, strict=True)
    }
    watched = {name: (folder, rows) for name, (folder, rows) in logs.items() if volumes(rows)}
    if not watched:
        return ()
    fallen = {name for name, _, _ in collapses(groups)}
    shown = {name: watched[name][1] for name in sorted(watched, key=lambda name: name not in fallen)[:SHOWN]}  # what went wrong first
    table = Table(("Training", "Class", "Volume at the last look", "Lowest", "Views agree", "Changed"), health_rows(watched), keys=2)
    pictures = (
        Picture(
            health_curves(shown),
            f"Curves of the volume of the pseudo-labels of each class against the labels, over the steps: {', '.join(shown)}.",
            "Volume of the pseudo-labels, 1 being that of the labels, on a logarithmic axis; dotted: below it a class has all but gone.",
            dark=health_curves(shown, dark=True),
        ),
        Picture(
            agreement_curves(shown),
            f"Curves of the agreement of two views and of the change since the last look, over the steps: {', '.join(shown)}.",
            "Shares of the foreground, 1 being all of it.",
            dark=agreement_curves(shown, dark=True),
        ),
    )
    said = tuple(warnings(groups)) or ("No class collapsed.",)
    return (Section("Pseudo-labels", ABOUT_HEALTH, (("At the last look.", table),), pictures, said),)


def health_rows(watched: Mapping[str, tuple[RunFolder, Sequence[Mapping[str, Any]]]]) -> tuple[tuple[str, ...], ...]:
    """One row a training and class."""
    found = []
    for name, (_, rows) in watched.items():
        agreement, change = (looks_of(rows, column)[-1:] for column in (AGREEMENT, CHANGE))
        shares = tuple(f"{last[0][1]:.2f}" if last else "–" for last in (agreement, change))
        for label, looks in volumes(rows).items():
            found.append((name, label, f"{looks[-1][1]:.2f}", f"{min(volume for _, volume in looks):.2f}", *shares))
    return tuple(found)


def warnings(groups: Sequence[Group]) -> list[str]:
    """A sentence on each class whose pseudo-labels collapsed in a training."""
    return [f"Warning: the pseudo-labels of {label} collapsed in {name} (found at step {step})." for name, label, step in collapses(groups)]


def warning(groups: Sequence[Group]) -> str:
    """The warnings in one sentence for the head of a page; empty where nothing collapsed."""
    found = collapses(groups)
    if len(found) <= 1:
        return "".join(warnings(groups))
    classes, trainings = dict.fromkeys(label for _, label, _ in found), {name for name, _, _ in found}
    return f"Warning: the pseudo-labels of {', '.join(classes)} collapsed in {len(trainings)} trainings (see Pseudo-labels)."


def collapses(groups: Sequence[Group]) -> list[tuple[str, str, int]]:
    """Training, class, and the step at which its collapse was found."""
    return [
        (name, label, step)
        for group in groups
        for name, run, (folder, _) in zip(training_names(group), group.runs, group.trainings, strict=True)
        for label, step in collapsed(read_log(folder), run.training.steps).items()
    ]
