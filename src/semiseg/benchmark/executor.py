"""Where trainings are run: an interface that the grid speaks to, and worker processes on this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from semiseg.benchmark.process import Process, Result, begin, order_of
from semiseg.benchmark.training import Training


class Executor(Protocol):
    """Starts trainings and tells what became of them, without waiting."""

    @property
    def jobs(self) -> int:
        """Trainings at a time."""

    def room(self) -> bool:
        """Whether another one may be started."""

    def start(self, training: Training) -> None:
        """Begin with it, or go on with what its run folder holds."""

    def results(self) -> list[Result]:
        """Of the trainings that have ended since the last call."""

    def running(self) -> list[Training]:
        """Those that have begun and not ended."""

    def stop(self) -> None:
        """Ask all to stop after their step and to save; they end as "stopped"."""


class LocalProcesses:
    """A process for each training, so many at a time, sharing the cores of this machine.

    Args:
        out: folder of the results.
        jobs: trainings at a time.
        device: auto, cpu, cuda or mps.
    """

    def __init__(self, out: Path, jobs: int, device: str = "auto") -> None:
        self.out, self.device = out, device
        self.jobs = jobs
        self.processes: list[tuple[Training, Process]] = []

    def room(self) -> bool:
        return len(self.processes) < self.jobs

    def start(self, training: Training) -> None:
        order = order_of(training, self.out, self.device)
        self.processes.append((training, begin(order, self.out / "logs", training.name, max(cores() // self.jobs, 1))))

    def results(self) -> list[Result]:
        ended = [(training, process) for training, process in self.processes if not process.running()]
        self.processes = [item for item in self.processes if item not in ended]
        return [Result(training, *process.outcome()) for training, process in ended]

    def running(self) -> list[Training]:
        return [training for training, _ in self.processes]

    def stop(self) -> None:
        for _, process in self.processes:
            process.stop()


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_executor(
    out: Path, jobs: int | None = None, device: str = "auto", ray: str | None = None, trainings: Sequence[Training] = ()
) -> Executor:
    """The executor of a grid.

    Args:
        out: folder of the results.
        jobs: trainings at a time. None: one on this machine; on a cluster as many as `cluster.make_share` finds right.
        device: auto, cpu, cuda or mps.
        ray: address of a Ray cluster, see `cluster.connect`; None for processes on this machine.
        trainings: whose data the machines of a cluster must see.

    Raises:
        SettingsError: no such cluster, or machines in it that do not see the folders.
    """
    if ray is None:
        return LocalProcesses(out, jobs or 1, device)
    from semiseg.benchmark.ray_tasks import RayTasks
    from semiseg.cluster import connect, refuse_strangers

    machines = connect(ray)
    executor = RayTasks(out, machines, jobs, device)
    refuse_strangers(machines, executor.share, out, [training.folder for training in trainings if training.folder is not None])
    return executor


def wait(seconds: float = 0.1) -> None:
    """Between two looks at the workers."""
    time.sleep(seconds)
