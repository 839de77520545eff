"""Finished runs read back from their folders, and grouped where no more than seed, label draw or fold was asked for otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from semiseg import config
from semiseg.case import Case
from semiseg.config import Run
from semiseg.data.folder import open_folder
from semiseg.errors import DataError, RunFolderError
from semiseg.evaluation.results import Evaluation
from semiseg.methods import find_method
from semiseg.run_folder import RunFolder
from semiseg.training.control import CONTROL

Training = tuple[RunFolder, Evaluation]
"""A finished run and its test scores."""
VARIED = ("seed", "data.draw", "data.fold", "data.folder")
"""Settings that trainings of one group may differ in."""
MEASURED = ("preparation.", "training.patch", "training.labeled_batch", "training.unlabeled_batch")
"""Settings that a plan takes from the scans it is shown (CT's window from the labelled ones): another draw, fold or budget gives others."""
PLANNED = "planned"
NAMED = 3
"""Settings that tell two groups of one method apart by name; where more differ, the folder's name does."""


@dataclass(frozen=True)
class Group:
    """Trainings of one method with the same settings but seed and label draw."""

    name: str
    trainings: tuple[Training, ...]

    @property
    def folder(self) -> RunFolder:
        """Of the first training, which stands for all in pictures and curves."""
        return self.trainings[0][0]

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The settings of each training."""
        return tuple(folder.run() for folder, _ in self.trainings)

    @property
    def uses_unlabeled(self) -> bool:
        """Whether its trainings learned from unlabelled scans."""
        return self.runs[0].uses_unlabeled

    @cached_property
    def by_seed(self) -> dict[str, Evaluation]:
        """Scores by seed and draw; the folds of a cross-validation are one, over the cases of all of them."""
        return pooled(zip(self.runs, (evaluation for _, evaluation in self.trainings), strict=True))

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        return tuple(self.by_seed.values())

    @cached_property
    def split(self) -> dict[str, list[str]]:
        """Ids of the cases of the first training, by what they were for; slices are cases of their own."""
        found: dict[str, list[str]] = self.folder.read_json("split.json")
        return found

    @property
    def budget(self) -> int:
        """Labelled patients of each training, as its scores say; labelled cases where they do not."""
        source = self.evaluations[0].provenance
        return source.labeled if source else len(self.split["labeled"])

    @property
    def labels(self) -> str:
        """The label budget in words: patients where cases are slices, or several scans, of one."""
        return f"{self.budget} labelled {'patients' if self.in_parts else 'scans'}"

    @property
    def others(self) -> str:
        """What it learned from besides, in words."""
        return f"{len(self.split['unlabeled'])} unlabelled {'images' if self.in_parts else 'scans'}"

    @property
    def in_parts(self) -> bool:
        """Whether a labelled patient is more than one case."""
        return len(self.split["labeled"]) > self.budget


def pooled(trainings: Iterable[tuple[Run, Evaluation]]) -> dict[str, Evaluation]:
    """Scores by seed and draw, folds taken together."""
    found: dict[str, Evaluation] = {}
    for number, (run, evaluation) in enumerate(trainings):
        key = f"{run.seed}/{run.data.draw}"
        if run.data.fold and key in found:
            found[key] = replace(found[key], cases=(*found[key].cases, *evaluation.cases))
        else:
            found[key if key not in found else f"{key}/{number}"] = evaluation
    return found


def read_training(path: Path) -> Training:
    """A finished run.

    Raises:
        RunFolderError: no run folder, or one without scores.
    """
    folder = RunFolder.open(path)
    if not (path / "scores.json").is_file():
        raise RunFolderError(f"{path}: has no scores yet. Finish it with `semiseg train --resume {path}`; its test scans must have labels.")
    return folder, Evaluation.from_json(path / "scores.json")


def find_runs(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Run folders, scored ones and others, in and below some paths; none twice, those below a path in order of their names.

    Raises:
        RunFolderError: a path holds no run.
    """
    found: dict[Path, None] = {}
    for path in paths:
        inside = [path] if (path / "run.yaml").is_file() else sorted(file.parent for file in path.rglob("run.yaml"))
        if not inside:
            raise RunFolderError(f"{path}: not a run folder, and there is none below it (a run folder has a run.yaml).")
        found |= dict.fromkeys(inside)
    scored = [path for path in found if (path / "scores.json").is_file()]
    return scored, [path for path in found if path not in scored]


def read_trainings(paths: Iterable[Path]) -> tuple[list[Training], list[Path]]:
    """The scored runs in and below some paths, and those without scores.

    Raises:
        RunFolderError: a path holds no run, or none of all runs has scores.
    """
    scored, unfinished = find_runs(paths)
    if not scored:
        raise RunFolderError(
            f"{unfinished[0]}: has no scores yet. Finish it with `semiseg train --resume {unfinished[0]}`; its test scans must have labels."
        )
    return [read_training(path) for path in scored], unfinished


def grouped(trainings: Iterable[Training]) -> list[Group]:
    """Groups, the smallest label budget first and in it the supervised control; apart from that in the order given."""
    groups: dict[str, list[Training]] = {}
    for folder, evaluation in trainings:
        run = folder.run()
        tested = [] if run.data.fold else sorted(case.id for case in evaluation.cases)  # the same settings may have met another folder
        groups.setdefault(json.dumps([identity(folder, run), tested], sort_keys=True), []).append((folder, evaluation))
    names = group_names([members[0][0] for members in groups.values()])
    found = [Group(name, tuple(members)) for name, members in zip(names, groups.values(), strict=True)]
    return sorted(found, key=lambda group: (group.budget, group.uses_unlabeled, group.runs[0].method != CONTROL))


def by_test_set(groups: Sequence[Group]) -> list[list[Group]]:
    """Groups that were scored on the same cases, together."""
    found: dict[frozenset[str], list[Group]] = {}
    for group in groups:
        found.setdefault(frozenset(case.id for case in group.evaluations[0].cases), []).append(group)
    return list(found.values())


def identity(folder: RunFolder, run: Run, ignoring: Sequence[str] = ()) -> dict[str, str]:
    """What was asked for, by dotted name: every setting but those that trainings of one group may differ in, and `ignoring`; `PLANNED`
    where nobody asked and a plan measured.
    """
    measured = {name for name in planned(folder) if name.startswith(MEASURED)}
    values = flat(run.model_dump(mode="json"))
    return {name: PLANNED if name in measured else value for name, value in values if name not in (*VARIED, *ignoring)}


def planned(folder: RunFolder) -> list[str]:
    """Settings of a run that nobody asked for: its plan chose them."""
    plan = folder.read_json("plan.json") or {}
    return [choice["setting"] for choice in plan.get("choices", ()) if choice.get("by") == "plan"]


def group_names(folders: Sequence[RunFolder], ignoring: Sequence[str] = ()) -> list[str]:
    """The method's title, with what tells groups of one method apart."""
    runs = [folder.run() for folder in folders]
    titles = [find_method(run.method).title for run in runs]
    settings = [identity(folder, run, ignoring) for folder, run in zip(folders, runs, strict=True)]
    names = []
    for title, folder, own in zip(titles, folders, settings, strict=True):
        alike = [other for known, other in zip(titles, settings, strict=True) if known == title]
        names.append(_name(title, folder, own, alike))
    return names


def _name(title: str, folder: RunFolder, own: Mapping[str, str], alike: Sequence[Mapping[str, str]]) -> str:
    differing = [key for key in own if len({values.get(key) for values in alike}) > 1]
    if len(alike) == 1:
        return title
    if not differing or len(differing) > NAMED:
        return f"{title} ({folder.path.name})"
    told = (f"{own[key]} labelled" if key == "data.labeled" else f"{key.rpartition('.')[2]} {own[key]}" for key in differing)
    return f"{title}, {', '.join(told)}"


def training_names(group: Group) -> list[str]:
    """The group's name, with seed and draw where there are several trainings."""
    runs = group.runs
    draws = {run.data.draw for run in runs}
    if len(runs) == 1:
        return [group.name]

    def name(run: Run) -> str:
        parts = [group.name, f"seed {run.seed}", *([f"draw {run.data.draw}"] if len(draws) > 1 else [])]
        return ", ".join(parts + ([f"fold {run.data.fold}"] if run.data.fold else []))

    return [name(run) for run in runs]


def find_test_cases(folder: RunFolder) -> tuple[Case, ...]:
    """The scored scans of a run, from its data folder.

    Raises:
        DataError: the data are gone, or were never in a folder.
    """
    data = folder.run().data
    if data.folder is None:
        raise DataError("the run was trained on arrays in memory")
    dataset = open_folder(data.folder).relabeled(data.label_map)
    cases = {case.id: case for case in (dataset.test if data.fold is None else (*dataset.train, *dataset.validation, *dataset.test))}
    wanted = folder.read_json("split.json")["test"]
    missing = [case for case in wanted if case not in cases]
    if missing:
        raise DataError(f"{data.folder}: holds no test scan {missing[0]} any more")
    return tuple(cases[case] for case in wanted)


def flat(values: Mapping[str, object]) -> list[tuple[str, str]]:
    """Nested settings as (dotted name, text)."""
    return [(name, text(value)) for name, value in config.flat(values)]


def text(value: object) -> str:
    """A setting as people write it."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    if isinstance(value, float):
        return f"{value:g}"
    return "–" if value is None else str(value)
