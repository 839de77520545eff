"""What the contract tests share: small tasks, batches and steps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from semiseg.case import Batch, Labeled, Unlabeled
from semiseg.methods import METHODS, Method, Stage, Step, Task
from semiseg.networks import UNet, VNet

PATCH = {2: (32, 32), 3: (16, 16, 16)}


def make_task(dimensions: int, classes: int) -> Task:
    """A network small enough for a test; V-Net in 3D and U-Net in 2D, as the field does."""
    network = VNet(3, 1, classes, width=4) if dimensions == 3 else UNet(2, 1, classes, width=4)
    return Task(PATCH[dimensions], network)


def make_method(name: str, dimensions: int = 3, classes: int = 2, seed: int = 0, **settings: Any) -> Method[Any]:
    torch.manual_seed(seed)
    method = METHODS[name]
    return method(make_task(dimensions, classes), method.Settings.model_validate(settings))


def make_batch(dimensions: int = 3, classes: int = 2, seed: int = 0, size: int = 4) -> Batch:
    generator = torch.Generator().manual_seed(seed)

    def images() -> Tensor:
        return torch.randn(size, 1, *PATCH[dimensions], generator=generator)

    labels = torch.randint(0, classes, (size, *PATCH[dimensions]), generator=generator)
    return Batch(Labeled(images(), labels), Unlabeled(images()))


def steps_of(method: Method[Any], total: int = 4, seed: int = 0) -> list[Step]:
    """Every step of a short training, with the generators that the engine would make."""
    steps: list[Step] = []
    for stage in method.stages(total):
        for number in range(stage.steps):
            overall = len(steps)
            steps.append(Step(number, stage, overall, total, torch.Generator().manual_seed(1000 * seed + overall)))
    return steps


def last_step(method: Method[Any], number: int | None = None) -> Step:
    """A step of the last stage, at its end unless `number` says otherwise (ramps are up by then)."""
    stage = method.stages(40)[-1]
    number = stage.steps - 1 if number is None else number
    return Step(number, Stage(stage.name, stage.steps), 40 - stage.steps + number, 40, torch.Generator().manual_seed(3))


def losses_of(method: Method[Any], batch: Batch, step: Step) -> dict[str, Tensor]:
    """All named losses of one step, without updating anything."""
    return {f"{name}/{key}": value for name, losses in method.updates(batch, step) for key, value in losses.items()}
