"""The one training loop: every method, every stage, every device."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from semiseg.case import Batch
from semiseg.config import Run
from semiseg.devices import pick_device, pick_precision
from semiseg.errors import TrainingError
from semiseg.methods import Method, Stage, Step
from semiseg.run_folder import RunFolder
from semiseg.training import checkpoint
from semiseg.training.limits import StopRequest
from semiseg.training.log import Log
from semiseg.training.optimization import make_optimizers, scheduled, set_learning_rate, update
from semiseg.training.progress import StepProgress
from semiseg.training.seeds import seed_step

LOG_EVERY = 10
"""Steps between two looks at the device's numbers."""


@dataclass(frozen=True)
class Engine:
    """What a loop runs on, and how it reports and saves.

    Attributes:
        checkpoint_seconds: time between two saved states; what a kill loses at most.
    """

    device: torch.device
    stop: StopRequest
    show: bool = True
    checkpoint_seconds: float = 60.0

    @staticmethod
    def on(device: str, max_seconds: float | None = None, show: bool = True, checkpoint_seconds: float = 60.0) -> Engine:
        """On `device` (auto, cpu, cuda or mps), for at most so many seconds.

        Raises:
            SettingsError: the device is not there.
        """
        return Engine(pick_device(device), StopRequest(max_seconds), show, checkpoint_seconds)


def fit(run: Run, method: Method[Any], load: Callable[[int], Batch], folder: RunFolder, engine: Engine) -> checkpoint.Progress:
    """Train to the last step, or until asked to stop, going on from the folder's state if it has one.

    Args:
        load: the batch of a step (0-based, over all stages), on the device; a pure function.

    Raises:
        TrainingError: the loss is not finite for a whole window of steps, or a state cannot be written.
    """
    fabric = Fabric(accelerator=engine.device.type, devices=1, precision=pick_precision(run.training.precision, engine.device))
    method.to(engine.device, memory_format=channels_last(run.training.patch)).train()  # type: ignore[call-overload]
    optimizers = make_optimizers(method, run.training)
    done = checkpoint.restore(folder, method, optimizers, engine.device)
    stages, log, saved = method.stages(run.training.steps), Log(folder, done.step), time.monotonic()
    with StepProgress(f"{run.method}", run.training.steps, done.step, engine.show) as bar:
        while done.step < run.training.steps:
            began = time.monotonic()
            step = locate(stages, done.step, run.seed)
            if step.number == 0:
                method.begin(step.stage)
                optimizers = make_optimizers(method, run.training) if step.stage.fresh_optimizer else optimizers
            rate = set_learning_rate(scheduled(method, optimizers), run.training, step)
            log.add(take_step(fabric, method, optimizers, load(done.step), step))
            done.step, done.seconds = done.step + 1, done.seconds + time.monotonic() - began
            stopping = engine.stop.reason() is not None
            due = stopping or time.monotonic() - saved >= engine.checkpoint_seconds or done.step == run.training.steps
            if stopping or done.step % LOG_EVERY == 0 or step.number + 1 == step.stage.steps:
                means = log.flush(done.step, stage=step.stage.name, learning_rate=f"{rate:.6g}", seconds=f"{done.seconds:.2f}")
                refuse_broken(means, done.step, folder)
                bar.update(done.step, f"{step.stage.name} loss {means['loss']:.3f}")
            if due:
                checkpoint.save(folder, method, optimizers, done)
                saved = time.monotonic()
            if stopping:
                break
    log.close()
    return done


def take_step(
    fabric: Fabric, method: Method[Any], optimizers: dict[str, torch.optim.Optimizer], batch: Batch, step: Step
) -> dict[str, Tensor]:
    """All updates of one step. Returns scalars for the log, on the device."""
    scalars: dict[str, Tensor] = {}
    updates = method.updates(batch, step)
    while True:
        with fabric.autocast():
            named = next(updates, None)
        if named is None:
            break
        name, losses = named
        prefix = "" if name == "main" else f"{name}/"
        scalars |= {prefix + key: value for key, value in update(losses, optimizers[name]).items()}
    method.after_step(step)
    return scalars | method.watch()


def locate(stages: list[Stage], overall: int, seed: int) -> Step:
    """The step that comes after `overall` steps, with torch's random state and its generator set for it."""
    number, generator = overall, seed_step(seed, overall)
    for stage in stages:
        if number < stage.steps:
            return Step(number, stage, overall, sum(s.steps for s in stages), generator)
        number -= stage.steps
    raise ValueError(f"step {overall} lies after the last stage")


def refuse_broken(means: dict[str, float], step: int, folder: RunFolder) -> None:
    """Stop a training that makes no step any more."""
    if means["skipped"] == 1.0:
        raise TrainingError(
            f"{folder.path}: no finite gradient in the steps before step {step} (loss {means['loss']}). The last state is kept; "
            "try a lower training.learning_rate or training.precision=32-true."
        )


def channels_last(patch: tuple[int, ...]) -> torch.memory_format:
    """The layout in which convolutions are fastest (on CPUs 1.3 to 2 times, measured)."""
    return torch.channels_last_3d if len(patch) == 3 else torch.channels_last
