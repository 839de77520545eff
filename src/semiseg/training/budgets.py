"""Trains one method at several label budgets, passing over what is finished and going on with what was stopped."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from semiseg.config import make_run
from semiseg.data.folder import open_folder
from semiseg.errors import DataError
from semiseg.run_folder import RunFolder
from semiseg.training.asked import Layers, as_list, refuse_another_request
from semiseg.training.job import refuse_untested, sealed_split
from semiseg.training.progress import say
from semiseg.training.train import train_or_resume


@dataclass(frozen=True)
class Point:
    """One training of a curve."""

    budget: int
    seed: int
    draw: int

    def layer(self) -> dict[str, Any]:
        """What it sets."""
        return {"seed": self.seed, "data": {"labeled": self.budget, "draw": self.draw}}

    def folder(self, out: Path) -> Path:
        return out / f"labels-{self.budget}-seed-{self.seed}-draw-{self.draw}"


def points(budgets: Sequence[int], seeds: Sequence[int], draws: Sequence[int]) -> list[Point]:
    """All trainings; the first seed of every budget comes first, so that a stopped curve has all its points."""
    return [Point(budget, seed, draw) for draw, seed, budget in product(draws, seeds, budgets)]


def refuse_impossible(data: Path, layers: Layers, wanted: Sequence[Point]) -> None:
    """Raises DataError with all budgets that the data set cannot give, before anything is trained."""
    dataset, problems = open_folder(data), {}
    for point in wanted:
        run = make_run(*as_list(layers), point.layer())
        try:
            refuse_untested(dataset.name, sealed_split(dataset.relabeled(run.data.label_map), run))
        except DataError as error:
            problems[point.budget] = str(error)
    if problems:
        raise DataError("\n".join(dict.fromkeys(problems.values())))


def train_points(
    data: Path,
    layers: Layers,
    wanted: Sequence[Point],
    out: Path,
    device: str = "auto",
    max_seconds: float | None = None,
    show: bool = True,
) -> Iterator[RunFolder]:
    """Yield the folder of each training as it is finished; ends early where the time is up or somebody stops it.

    Args:
        data: the data folder.
        layers: settings that all trainings share.
        wanted: of `points`.
        out: folder of the run folders.
        device: auto, cpu, cuda or mps.
        max_seconds: for all of them together.
        show: progress on stderr.

    Raises:
        SemisegError: settings or data are not usable, or a folder holds a run with other settings.
    """
    began = time.monotonic()
    for number, point in enumerate(wanted, start=1):
        folder, own = point.folder(out), [*as_list(layers), point.layer()]
        if show:
            say(f"{folder} ({number} of {len(wanted)})")
        left = None if max_seconds is None else max(max_seconds - (time.monotonic() - began), 0.0)
        if not finished(data, own, folder, device, left, show):
            return
        yield RunFolder(folder)


def finished(data: Path, layers: Layers, folder: Path, device: str, max_seconds: float | None, show: bool) -> bool:
    """Whether a training is at its end after this call, which trains what is missing."""
    if not (folder / "scores.json").is_file():
        return train_or_resume(data, layers, folder, device, max_seconds, show).finished
    refuse_another_request(RunFolder(folder), layers)
    return True
