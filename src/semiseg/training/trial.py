"""A dry run: the first steps of a training in a process of its own, so that its memory and time are measured and nothing is left."""

from __future__ import annotations

import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from semiseg.config import Run
from semiseg.data.dataset import Dataset
from semiseg.devices import channels_last, timed_convolutions
from semiseg.errors import TrainingError
from semiseg.methods import Step
from semiseg.training.cost import peak_memory
from semiseg.training.fit import fabric_on, take_step
from semiseg.training.job import Job, make_job, sealed_split
from semiseg.training.optimization import make_optimizers, scheduled, set_learning_rate
from semiseg.training.seeds import seed_network, seed_step
from semiseg.training.start import Start

STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class StageCost:
    """One stage of a training: its steps, and seconds of one of them."""

    name: str
    steps: int
    seconds_per_step: float


@dataclass(frozen=True)
class Trial:
    """What was measured.

    Attributes:
        preparation_seconds: that the scans took to prepare; they are kept, so a training will not need them again.
        peak_memory: bytes: of the device on CUDA, else of the process; None where the system does not tell.
        stages: of the training, each with the time of its second step.
    """

    preparation_seconds: float
    peak_memory: int | None
    stages: tuple[StageCost, ...]

    @property
    def training_seconds(self) -> float:
        """Of all steps."""
        return sum(stage.steps * stage.seconds_per_step for stage in self.stages)

    def as_dict(self) -> dict[str, Any]:
        memory = None if self.peak_memory is None else round(self.peak_memory / 2**20, 1)
        return {
            "preparation_seconds": round(self.preparation_seconds, 2),
            "peak_memory_mb": memory,
            "stages": [asdict(stage) for stage in self.stages],
            "training_seconds": round(self.training_seconds, 1),
        }


def try_out(begun: Start, device: torch.device, show: bool = True) -> Trial:
    """Prepare the scans here, then take two steps of every stage in a fresh process.

    Raises:
        SemisegError: data or settings are not usable.
        TrainingError: the steps do not fit the memory, or broke the process.
    """
    before = time.monotonic()
    make_job(begun.plan.run, begun.dataset, begun.split, show, begun.plan.workers)
    prepared = time.monotonic() - before
    try:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            memory, stages = pool.submit(measured, begun.dataset, begun.plan.run, device.type, torch.get_num_threads()).result()
    except BrokenProcessPool as error:
        raise TrainingError(
            f"The process that took the first steps was killed, most likely for its memory: {begun.plan.memory / 2**30:.1f} GB were "
            f"expected, {begun.plan.machine.memory / 2**30:.1f} GB are free. Give a smaller training.patch or training.labeled_batch."
        ) from error
    return Trial(prepared, memory, stages)


def measured(dataset: Dataset, run: Run, device_name: str, threads: int) -> tuple[int | None, tuple[StageCost, ...]]:
    """Peak memory of this process, and the time of a step of every stage. The scans are prepared already."""
    torch.set_num_threads(threads)
    device = torch.device(device_name)
    job = make_job(run, dataset, sealed_split(dataset, run), show=False)
    try:
        with timed_convolutions(device):
            stages = step_costs(job, device)
    except torch.OutOfMemoryError as error:
        raise TrainingError(f"A step does not fit the memory of the device: {error}. Give a smaller training.patch or batch.") from None
    return peak_of_process() if device.type == "cpu" else peak_memory(device), stages


def step_costs(job: Job, device: torch.device) -> tuple[StageCost, ...]:
    """Take two steps of every stage, in order, and time the second: the first one also allocates."""
    run = job.run
    fabric = fabric_on(device, run.training.precision)
    seed_network(run.seed)
    method, load = run.build(), job.loader(device)
    method.to(device, memory_format=channels_last(run.training.patch)).train()  # type: ignore[call-overload]
    optimizers, overall, costs = make_optimizers(method, run.training), 0, []
    for stage in method.stages(run.training.steps):
        if not stage.steps:
            continue
        method.begin(stage)
        for number in range(2):
            step = Step(number, stage, overall + number, run.training.steps, seed_step(run.seed, overall + number))
            set_learning_rate(scheduled(method, optimizers), run.training, step)
            began = time.perf_counter()
            take_step(fabric, method, optimizers, load(overall + number), step)
            wait_for(device)
            seconds = time.perf_counter() - began
        costs.append(StageCost(stage.name, stage.steps, seconds))
        overall += stage.steps
    return tuple(costs)


def wait_for(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def peak_of_process() -> int | None:
    """Bytes of RAM. On Linux `ru_maxrss` counts what the parent held when it started this process; VmHWM does not."""
    if sys.platform == "linux" and STATUS.is_file():
        line = next((line for line in STATUS.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM:")), None)
        if line is not None:
            return int(line.split()[1]) * 1024
    return peak_memory(torch.device("cpu"))
