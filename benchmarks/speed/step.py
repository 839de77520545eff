"""A CML training step: plain and semiseg's, with and without the making of its batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import count
from typing import Any

import plain_data
import plain_network
import plain_step
import scans
import torch
from timing import Row, Setting, in_turns, seconds
from torch import nn
from torch.profiler import ProfilerActivity, profile

from semiseg.case import Batch
from semiseg.devices import channels_last, timed_convolutions
from semiseg.host_memory import give_back_freed_memory, keep_freed_memory
from semiseg.methods import Step
from semiseg.training.fit import fabric_on, locate, take_step
from semiseg.training.job import Job
from semiseg.training.optimization import make_optimizers

SEED = 0


class Ours:
    """The engine's step, on its own network; `timed`: on CUDA cuDNN times its ways, as in a training."""

    def __init__(self, job: Job, device: torch.device | str = "cpu", timed: bool = True) -> None:
        torch.manual_seed(SEED)
        self.timed = timed
        patch, self.training = job.run.training.patch, job.run.training
        self.device = torch.device(device)
        self.method: Any = job.run.build().to(self.device, memory_format=channels_last(patch)).train()  # type: ignore[call-overload]
        self.optimizers = make_optimizers(self.method, self.training)
        self.fabric = fabric_on(self.device, self.training.precision)
        self.stages = self.method.stages(self.training.steps)

    def at(self, number: int) -> Step:
        """A step of the last stage."""
        return locate(self.stages, self.stages[0].steps + number, SEED)

    def step(self, batch: Batch, number: int) -> float:
        """One update; the loss as a number."""
        keep_freed_memory()
        with timed_convolutions(self.device) if self.timed else nullcontext():
            return float(take_step(self.fabric, self.method, self.optimizers, batch, self.at(number))["loss"].detach())


class Plain:
    """The plain step, from the same weights."""

    def __init__(self, ours: Ours, job: Job) -> None:
        self.method: Any = job.run.build().train()
        self.method.load_state_dict(ours.method.state_dict())
        plain_network.plain(self.method).to(ours.device)
        self.ours, settings, training = ours, job.run.settings, job.run.training
        self.weights = (settings.unlabeled_weight, settings.feature_weight)  # type: ignore[attr-defined]
        self.optimizer = torch.optim.SGD(self.method.parameters(), training.learning_rate, momentum=0.9, weight_decay=training.weight_decay)

    def step(self, image: torch.Tensor, label: torch.Tensor, number: int) -> float:
        """One update on a batch of which the first half is labelled."""
        give_back_freed_memory(now=False)  # ours would have to ask for it again at each turn
        image, label = image.to(self.ours.device), label.to(self.ours.device)
        half, step = len(image) // 2, self.ours.at(number)
        boxes = [self.method.box(image, step) for _ in range(2)]
        loss = plain_step.losses(self.method.views, image[:half], label[:half], image[half:], boxes, self.weights)
        return plain_step.step(self.optimizer, loss)


def rows(name: str, job: Job, given: Setting, steps: int, target: float = 2.5) -> Iterator[Row]:
    """The step alone, on one batch; then `steps` of them with all that it takes to have their batches."""
    difference = f"loss {loss_difference(job, given.device):.0e}"
    ours = Ours(job, given.device)
    plain, loader, training = Plain(ours, job), scans.loader(job, given.device), job.run.training
    batch = loader(0)
    image, label = plain_batch(batch)
    numbers = count()
    alone = in_turns(lambda: plain.step(image, label, next(numbers)), lambda: ours.step(batch, next(numbers)), given.repeats)
    yield Row(f"{name}, the step alone", "s", *alone, alone[0] / alone[1], None, difference, busy(ours, batch))

    def with_batches() -> None:
        files = scans.paths(job)
        for samples in plain_data.batches(*files, training.patch, training.labeled_batch, steps):
            plain.step(*samples, next(numbers))

    def ours_with_batches() -> None:
        for _ in range(steps):
            number = next(numbers)
            ours.step(loader(number), number)

    whole = in_turns(with_batches, ours_with_batches, given.repeats, warm=False)
    yield Row(f"{name}, with its batch", "s", whole[0] / steps, whole[1] / steps, whole[0] / whole[1], target, difference)


def busy(ours: Ours, batch: Batch) -> str:
    """Which share of a step a GPU computes, in words; nothing for a CPU."""
    if ours.device.type != "cuda":
        return ""
    with profile(activities=[ProfilerActivity.CUDA]) as record:
        whole, _ = seconds(lambda: ours.step(batch, 0))
    return f"GPU busy {sum(event.self_device_time_total for event in record.key_averages()) / 1e6 / whole:.0%}"


def loss_difference(job: Job, device: torch.device) -> float:
    """Between the losses of a step on one batch, as a share. Without element-wise dropout, whose masks depend on the layout."""
    ours = Ours(job, device)
    plain = Plain(ours, job)
    for method in (ours.method, plain.method):
        without_element_dropout(method)
    batch = scans.loader(job, device)(0)
    first, second = ours.step(batch, 0), plain.step(*plain_batch(batch), 0)
    return abs(first - second) / abs(second)


def without_element_dropout(network: nn.Module) -> None:
    """Switch it off."""
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0


def plain_batch(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Images of both halves, contiguous, and labels; the plain step reads those of the first half."""
    image = torch.cat([batch.labeled.image, batch.unlabeled.image]).contiguous()
    return image, torch.cat([batch.labeled.label, torch.zeros_like(batch.labeled.label)])


def volumes(given: Setting) -> Iterator[Row]:
    """3D V-Net, patch 64 x 64 x 48, batch 4 + 4; two steps an epoch, as in the released script with 8 labelled scans."""
    yield from rows("CML step, 3D V-Net, 64x64x48, 4+4", scans.la_job(given.data, (64, 64, 48)), given, steps=2)


def slices(given: Setting) -> Iterator[Row]:
    """2D U-Net, 128 x 128, batch 12 + 12."""
    yield from rows("CML step, 2D U-Net, 128x128, 12+12", scans.acdc_job(given.data, (128, 128)), given, steps=4)


def published_volumes(given: Setting) -> Iterator[Row]:
    """LA as published, for a GPU."""
    yield from rows("CML step, LA, 112x112x80, 4+4", scans.la_job(given.data, (112, 112, 80)), given, steps=10, target=6)


def published_slices(given: Setting) -> Iterator[Row]:
    """ACDC as published, for a GPU."""
    yield from rows("CML step, ACDC, 256x256, 12+12", scans.acdc_job(given.data, (256, 256)), given, steps=20, target=6)


STEPS: dict[str, Callable[[Setting], Iterator[Row]]] = {"step3d": volumes, "step2d": slices}
PUBLISHED: dict[str, Callable[[Setting], Iterator[Row]]] = {"la": published_volumes, "acdc": published_slices}
"""Minutes a step on a CPU."""
