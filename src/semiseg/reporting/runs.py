"""Finished runs read back from their folders, and grouped where they differ in seed or label draw alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from semiseg import config
from semiseg.case import Case
from semiseg.config import Run
from semiseg.data.folder import open_folder
from semiseg.errors import DataError, RunFolderError
from semiseg.evaluation.results import Evaluation
from semiseg.methods import find_method
from semiseg.run_folder import RunFolder

Training = tuple[RunFolder, Evaluation]
"""A finished run and its test scores."""
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

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        return tuple(evaluation for _, evaluation in self.trainings)

    @property
    def labeled(self) -> int:
        """Labelled scans of each training."""
        return len(self.folder.read_json("split.json")["labeled"])


def uses_unlabeled(run: Run) -> bool:
    """Whether a run learned from unlabelled scans."""
    return find_method(run.method).uses_unlabeled and run.training.unlabeled_batch > 0


def read_training(path: Path) -> Training:
    """A finished run.

    Raises:
        RunFolderError: no run folder, or one without scores.
    """
    folder = RunFolder.open(path)
    if not (path / "scores.json").is_file():
        raise RunFolderError(f"{path}: has no scores yet. Finish it with `semiseg train --resume {path}`; its test scans must have labels.")
    return folder, Evaluation.from_json(path / "scores.json")


def grouped(trainings: Iterable[Training]) -> list[Group]:
    """Groups, the smallest label budget first and in it the supervised control; apart from that in the order given."""
    groups: dict[str, list[Training]] = {}
    for training in trainings:
        groups.setdefault(json.dumps(identity(training[0].run()), sort_keys=True), []).append(training)
    names = group_names([members[0][0] for members in groups.values()])
    found = [Group(name, tuple(members)) for name, members in zip(names, groups.values(), strict=True)]
    return sorted(found, key=lambda group: (group.labeled, uses_unlabeled(group.folder.run())))


def identity(run: Run) -> dict[str, str]:
    """Every setting but those that trainings of one group may differ in, by dotted name."""
    return {name: value for name, value in flat(run.model_dump(mode="json")) if name not in ("seed", "data.draw", "data.folder")}


def group_names(folders: Sequence[RunFolder]) -> list[str]:
    """The method's title, with what tells groups of one method apart."""
    titles = [find_method(folder.run().method).title for folder in folders]
    together = list(zip(titles, folders, strict=True))
    return [_name(title, folder, [other for known, other in together if known == title]) for title, folder in together]


def _name(title: str, folder: RunFolder, alike: Sequence[RunFolder]) -> str:
    settings = [identity(other.run()) for other in alike]
    own = identity(folder.run())
    differing = [key for key in own if len({values.get(key) for values in settings}) > 1]
    if len(alike) == 1:
        return title
    if not differing or len(differing) > NAMED:
        return f"{title} ({folder.path.name})"
    told = (f"{own[key]} labelled" if key == "data.labeled" else f"{key.rpartition('.')[2]} {own[key]}" for key in differing)
    return f"{title}, {', '.join(told)}"


def training_names(group: Group) -> list[str]:
    """The group's name, with seed and draw where there are several trainings."""
    runs = [folder.run() for folder, _ in group.trainings]
    draws = {run.data.draw for run in runs}
    if len(runs) == 1:
        return [group.name]
    return [f"{group.name}, seed {run.seed}" + (f", draw {run.data.draw}" if len(draws) > 1 else "") for run in runs]


def find_test_cases(folder: RunFolder) -> tuple[Case, ...]:
    """The scored scans of a run, from its data folder.

    Raises:
        DataError: the data are gone, or were never in a folder.
    """
    data = folder.run().data
    if data.folder is None:
        raise DataError("the run was trained on arrays in memory")
    cases = {case.id: case for case in open_folder(data.folder).relabeled(data.label_map).test}
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
