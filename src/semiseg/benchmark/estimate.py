"""How far a grid is and how long it may still take, from the logs of its run folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from semiseg.benchmark.training import Training, finished, steps_done
from semiseg.config import Run
from semiseg.run_folder import RunFolder


@dataclass(frozen=True)
class Estimate:
    """Steps done and in all, and the seconds that are left, None as long as no training has shown what a step takes."""

    done: int
    total: int
    seconds: float | None


def estimate(trainings: Sequence[Training], runs: Mapping[str, Run], out: Path, jobs: int) -> Estimate:
    """Of a whole grid. Seconds a step are those of the same method on the same data where it has begun, else the mean of all that have.

    What scoring takes is not in it.
    """
    steps = {training.name: runs[training.name].training.steps for training in trainings}
    progress = {training.name: _progress(RunFolder(out / training.name), steps[training.name]) for training in trainings}
    rates: dict[tuple[str, str], list[float]] = {}
    for training in trainings:
        done, seconds = progress[training.name]
        if done and seconds:
            rates.setdefault((training.data, training.label), []).append(seconds / done)
    means = {key: fmean(values) for key, values in rates.items()}
    left = None
    if means:
        usual = fmean(means.values())
        each = (
            (steps[training.name] - progress[training.name][0]) * means.get((training.data, training.label), usual)
            for training in trainings
        )
        left = sum(each) / jobs
    return Estimate(sum(done for done, _ in progress.values()), sum(steps.values()), left)


def _progress(folder: RunFolder, steps: int) -> tuple[int, float]:
    """(steps done, seconds) of one training."""
    if not finished(folder):
        return steps_done(folder)
    return steps, (folder.read_json("cost.json") or {}).get("seconds", 0.0)
