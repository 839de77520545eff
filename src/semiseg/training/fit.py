"""The one training loop: every method, every stage, every device."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from torch import Tensor

from semiseg.case import Batch, Case
from semiseg.config import Run
from semiseg.devices import channels_last, pick_device, pick_precision, timed_convolutions
from semiseg.errors import RunFolderError, TrainingError
from semiseg.host_memory import freed_memory_kept
from semiseg.methods import Method, Stage, Step
from semiseg.ranks.group import ALONE, Ranks
from semiseg.ranks.spread import Spread
from semiseg.run_folder import RunFolder
from semiseg.training import checkpoint
from semiseg.training.health import Watch
from semiseg.training.limits import StopRequest
from semiseg.training.log import Log
from semiseg.training.optimization import make_optimizers, scheduled, set_learning_rate, update
from semiseg.training.prior import class_prior
from semiseg.training.progress import StepProgress, say
from semiseg.training.seeds import seed_step
from semiseg.training.selection import Selector, restore_best

LOG_EVERY = 10
"""Steps between two looks at the device's numbers."""


@dataclass(frozen=True)
class Engine:
    """What a loop runs on, and how it reports and saves.

    Attributes:
        checkpoint_seconds: time between two saved states at most; they come more often where that costs little (see `Saver`).
        ranks: the processes of this training. The first one writes and shows; all compute.
    """

    device: torch.device
    stop: StopRequest
    show: bool = True
    checkpoint_seconds: float = 60.0
    ranks: Ranks = ALONE

    @staticmethod
    def on(
        device: str, max_seconds: float | None = None, show: bool = True, checkpoint_seconds: float = 60.0, ranks: Ranks = ALONE
    ) -> Engine:
        """On `device` (auto, cpu, cuda or mps), for at most so many seconds.

        Raises:
            SettingsError: the device is not there.
        """
        return Engine(pick_device(device), StopRequest(max_seconds), show and ranks.is_first, checkpoint_seconds, ranks)

    def say_stopped(self, where: str, folder: Path) -> None:
        """Say where a training stopped, why, and how it goes on."""
        if self.show:
            say(f"Stopped {where}: {self.stop.reason() or 'another process was told to stop'}.")
            say(f"Go on with: semiseg train --resume {folder}")


def fit(
    run: Run, method: Method[Any], load: Callable[[int], Batch], folder: RunFolder, engine: Engine, watched: Sequence[Case] = ()
) -> checkpoint.Progress:
    """Train to the last step, or until asked to stop, going on from the folder's state if it has one.

    Args:
        load: the batch of a step (0-based, over all stages), on the device; a pure function.
        watched: cases to choose weights by (see `Selector`), where the protocol has any.

    Raises:
        TrainingError: the loss is not finite for a whole window of steps, or a state cannot be written.
    """
    loop = Loop(run, method, load, folder, engine, watched)
    progress = StepProgress(f"{run.method}", run.training.steps, loop.done.step, engine.show)
    with closing(loop.log), freed_memory_kept(engine.device), timed_convolutions(engine.device), progress as bar:
        while loop.done.step < run.training.steps:
            loop.step(bar)
            if loop.stopping:
                break
    return loop.done


class Loop:
    """What lives as long as a sitting: the method and its optimisers on the device, the log, and how far it has come."""

    def __init__(
        self, run: Run, method: Method[Any], load: Callable[[int], Batch], folder: RunFolder, engine: Engine, watched: Sequence[Case]
    ) -> None:
        self.run, self.method, self.load, self.folder, self.engine, self.ranks = run, method, load, folder, engine, engine.ranks
        self.fabric = fabric_on(engine.device, run.training.precision)
        method.to(engine.device, memory_format=channels_last(run.training.patch)).train()  # type: ignore[call-overload]
        self.optimizers = make_optimizers(method, run.training)
        self.done = checkpoint.restore(folder.state, method, self.optimizers, engine.device)
        refuse_other_state(self.done.step, self.ranks, folder)
        self.spread = Spread(self.ranks, method.row_functions(), self.warn_of_idle)
        self.stages, self.log = method.stages(run.training.steps), Log(folder, self.done.step, self.ranks.is_first)
        self.saver = checkpoint.Saver(folder.state, engine.checkpoint_seconds)
        seen = watched if self.ranks.is_first else ()
        self.selector = Selector(run, seen, folder, self.stages, engine.device) if watched else None
        self.watch = Watch(run, method, load, self.log.rows, LOG_EVERY, self.fabric.autocast, engine.show)
        self.stopping = False

    def step(self, bar: StepProgress) -> None:
        """One step, and what is due after it: a look, a row of the log, a saved state."""
        began = time.monotonic()
        step = locate(self.stages, self.done.step, self.run.seed)
        if step.number == 0:
            self.begin(step)
        rate = set_learning_rate(scheduled(self.method, self.optimizers), self.run.training, step)
        scalars = take_step(self.fabric, self.method, self.optimizers, self.load(self.done.step), step, self.ranks)
        self.log.add(scalars | self.watch.look(step))
        self.done.step, self.done.seconds = self.done.step + 1, self.done.seconds + time.monotonic() - began
        self.stopping = self.ranks.one_says(self.engine.stop.reason() is not None)
        if self.stopping or self.done.step % LOG_EVERY == 0 or step.number + 1 == step.stage.steps:
            bar.update(self.done.step, self.write(step, rate))
        looked = self.look(step)
        if self.ranks.is_first and (self.stopping or looked or self.done.step == self.run.training.steps or self.saver.due()):
            self.saver.save(self.method, self.optimizers, self.done)
            if self.selector is not None:
                self.selector.forget_others(self.done)

    def look(self, step: Step) -> bool:
        """Score the weights on the watched cases, which the first process has, if that is due; whether it was."""
        selector = self.selector
        if selector is None or not selector.due(step):
            return False
        with self.spread.off():
            found = self.ranks.first(lambda: selector.look(self.method, self.optimizers, step.stage, self.done))
        if not self.ranks.is_first:
            self.done.looks.append(found)
        return True

    def warn_of_idle(self, rows: int) -> None:
        """Say that a network is given fewer images than there are processes."""
        if self.engine.show:
            say(
                f"A network is given {rows} images at a time, fewer than the {self.ranks.world} processes, so each of them computes all of "
                "these. Fewer processes would be as fast there, or set a larger training.labeled_batch and training.unlabeled_batch."
            )

    def begin(self, step: Step) -> None:
        """Before the first step of a stage."""
        before = self.stages[: self.stages.index(step.stage)]
        if self.run.training.class_prior and step.overall == 0:
            self.method.set_class_prior(class_prior(self.load, len(self.run.data.classes) + 1))
        if self.run.selection.next_stage_from_best and before:
            restore_best(self.folder, self.method, self.optimizers, before[-1].name, self.done.looks, self.engine.device)
        self.method.begin(step.stage)
        if step.stage.fresh_optimizer:
            self.optimizers = make_optimizers(self.method, self.run.training)

    def write(self, step: Step, rate: float) -> str:
        """A row of the log; returns what to show beside the progress.

        Raises:
            TrainingError: no finite gradient in the whole window.
        """
        seconds = f"{self.done.seconds:.2f}"
        means = self.log.flush(self.done.step, stage=step.stage.name, learning_rate=f"{rate:.6g}", seconds=seconds)
        refuse_broken(means, self.done.step, self.folder)
        self.watch.warn(self.log.rows)
        return f"{step.stage.name} loss {means['loss']:.3f}"


def fabric_on(device: torch.device, precision: str) -> Fabric:
    """What runs a step in that precision (see `pick_precision`); it is told of no other process, since `Ranks` speaks to those."""
    alone = LightningEnvironment()  # else it looks for Slurm, and refuses jobs that count their tasks in another way than it does
    return Fabric(accelerator=device.type, devices=1, precision=pick_precision(precision, device), plugins=alone)


def take_step(
    fabric: Fabric,
    method: Method[Any],
    optimizers: dict[str, torch.optim.Optimizer],
    batch: Batch,
    step: Step,
    ranks: Ranks = ALONE,
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
        scalars |= {prefix + key: value for key, value in update(losses, optimizers[name], ranks).items()}
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


def refuse_other_state(step: int, ranks: Ranks, folder: RunFolder) -> None:
    """Raises RunFolderError where this process goes on from another step than the first one."""
    first = ranks.first(lambda: step)
    if first != step:
        raise RunFolderError(
            f"{folder.path}: process {ranks.rank} finds a training at step {step}, the first process one at step {first}. "
            "All processes must see the same folder: put it on a disk that all machines share."
        )


def refuse_broken(means: dict[str, float], step: int, folder: RunFolder) -> None:
    """Stop a training that makes no step any more."""
    if means["skipped"] == 1.0:
        raise TrainingError(
            f"{folder.path}: no finite gradient in the steps before step {step} (loss {means['loss']}). The last state is kept; "
            "try a lower training.learning_rate or training.precision=32-true."
        )
