"""Everything that is wrong with a grid, found before its first training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from semiseg.benchmark.training import Training
from semiseg.config import Run
from semiseg.data.dataset import Dataset
from semiseg.data.folder import open_folder
from semiseg.errors import SemisegError, SettingsError
from semiseg.run_folder import RunFolder
from semiseg.training.asked import refuse_another_request
from semiseg.training.job import learns_from_unlabeled, refuse_odd_stride, refuse_untested, sealed_split

Problem = tuple[str, str]
"""(what is wrong, which training it was found in)."""


def checked(trainings: Sequence[Training], out: Path) -> dict[str, Run]:
    """The runs of all trainings by name, their settings as given.

    Raises:
        SettingsError: one message on all that is wrong: settings, methods, folders, label budgets, folds, run folders of other settings.
    """
    runs: dict[str, Run] = {}
    problems: list[Problem] = []
    datasets: dict[Path, Dataset] = {}
    for name, folder in dict.fromkeys((training.data, training.folder) for training in trainings):
        try:
            if folder is None:
                raise SettingsError(f"{name}: the grid does not say where it is. Give its folder with --data {name}=FOLDER.")
            datasets[folder] = open_folder(folder)
        except SemisegError as error:
            problems.append((str(error), ""))
    for training in trainings:
        try:
            runs[training.name] = training.run()
        except SemisegError as error:
            problems += [(line, training.label) for line in str(error).splitlines()]
            continue
        if training.folder in datasets:
            problems += problems_on(datasets[training.folder], training, runs[training.name], out)
    refuse(problems)
    return runs


def problems_on(dataset: Dataset, training: Training, run: Run, out: Path) -> list[Problem]:
    """What is wrong with a training on its data set."""
    try:
        mapped = dataset.relabeled(run.data.label_map)
        split = sealed_split(mapped, run)
        learns_from_unlabeled(run, mapped, split)
        refuse_odd_stride(run)
        refuse_untested(training.data, split)
        folder = RunFolder(out / training.name)
        if (folder.path / "run.yaml").is_file():
            refuse_another_request(folder, training.values())
    except SemisegError as error:
        return [(str(error), training.label)]
    return []


def refuse(problems: Iterable[Problem]) -> None:
    """Raises SettingsError with every problem once, and where it was found."""
    where: dict[str, dict[str, None]] = {}
    for message, place in problems:
        where.setdefault(message, {}).update({place: None} if place else {})
    if where:
        lines = [message + (f" [{', '.join(places)}]" if places else "") for message, places in where.items()]
        raise SettingsError("\n".join([f"The grid cannot be run; {len(lines)} to mend:", *(f"- {line}" for line in lines)]))
