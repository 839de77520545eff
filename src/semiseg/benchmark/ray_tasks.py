"""Trainings as tasks of a Ray cluster, each of which starts and watches the worker process that a local grid would start."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from semiseg.benchmark.process import Ending, Result, begin, end_of, last_words, order_of
from semiseg.benchmark.training import Training
from semiseg.cluster import Node, import_ray, make_share, nodes, room
from semiseg.run_folder import RunFolder

KILLED = 3
"""How often a training whose machine or task was killed is begun again by Ray, which goes on from its last saved state."""


class RayTasks:
    """A Ray task for each training, on whichever machine has room.

    Args:
        out: folder of the results, which all machines see.
        machines: of `cluster.nodes`.
        jobs: trainings at a time at most; None: as many as the cluster holds.
        device: auto, cpu, cuda or mps.

    Raises:
        SettingsError: the cluster cannot run any.
    """

    def __init__(self, out: Path, machines: Sequence[Node], jobs: int | None = None, device: str = "auto") -> None:
        self.ray = import_ray()
        self.out, self.most, self.device = out.absolute(), jobs, device
        self.share = make_share(machines, device, jobs)
        self.tasks: dict[Any, Training] = {}

    @property
    def jobs(self) -> int:
        """Machines come and go; what Ray has no room for waits in its line."""
        return max(room(nodes(), self.share, self.most), 1)

    def room(self) -> bool:
        return len(self.tasks) < self.jobs

    def start(self, training: Training) -> None:
        assert training.folder is not None
        order = {**order_of(training, self.out, self.device), "data": str(training.folder.absolute())}
        wish_of(self.out / "logs", training.name).unlink(missing_ok=True)  # of an earlier sitting
        task = self.ray.remote(watch).options(name=training.name, max_retries=KILLED, **self.share.options())
        self.tasks[task.remote(order, self.out / "logs", training.name, self.share.cpus)] = training

    def results(self) -> list[Result]:
        if not self.tasks:
            return []
        ended, _ = self.ray.wait(list(self.tasks), num_returns=len(self.tasks), timeout=0)
        return [self._result(task, self.tasks.pop(task)) for task in ended]

    def _result(self, task: Any, training: Training) -> Result:
        try:
            return Result(training, *self.ray.get(task))
        except self.ray.exceptions.TaskCancelledError:  # before it had begun, or between two lives
            return Result(training, end_of(RunFolder(self.out / training.name)))
        except self.ray.exceptions.RayError as error:
            return Result(training, "failed", last_words(str(error).strip()))

    def running(self) -> list[Training]:
        return list(self.tasks.values())

    def stop(self) -> None:
        for task, training in self.tasks.items():
            wish = wish_of(self.out / "logs", training.name)
            wish.parent.mkdir(parents=True, exist_ok=True)
            wish.touch()
            self.ray.cancel(task)  # what has not begun will not


def watch(order: Mapping[str, Any], logs: Path, name: str, threads: int) -> tuple[Ending, str]:
    """Run a worker process to its end, in a task, or until it is asked to save and stop: by the file `wish_of`, or by Ray's interrupt."""
    process, wish = begin(order, logs, name, threads), wish_of(logs, name)
    while True:
        try:
            while process.running() and not wish.exists():
                time.sleep(0.1)
            if process.running():
                process.stop()
            return process.outcome()
        except KeyboardInterrupt:  # how Ray cancels a task; it may come twice, late or never
            wish.touch()


def wish_of(logs: Path, name: str) -> Path:
    """A file on the disk that all machines share: where it lies, the training shall stop."""
    return logs / f"{name}.stop"
