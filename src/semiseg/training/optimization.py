"""Optimisers, learning rates, and one parameter update that never takes a non-finite gradient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from semiseg.functional.schedules import SCHEDULES
from semiseg.methods import Method, Step
from semiseg.methods.base import FixedAdam
from semiseg.ranks.group import ALONE, Ranks
from semiseg.sections import Training


def make_optimizers(method: Method[Any], settings: Training) -> dict[str, Optimizer]:
    """One optimiser for each of the method's parameter groups: the run's, or the one that the method fixes."""
    fixed = method.fixed_optimizers()
    return {
        name: make_fixed(parameters, fixed[name]) if name in fixed else make_optimizer(parameters, settings)
        for name, parameters in method.parameter_groups().items()
    }


def make_fixed(parameters: list[nn.Parameter], settings: FixedAdam) -> Optimizer:
    """The optimiser that a method prescribes."""
    return Adam(parameters, settings.learning_rate, settings.betas, fused=parameters[0].device.type in ("cpu", "cuda"))


def make_optimizer(parameters: list[nn.Parameter], settings: Training) -> Optimizer:
    """SGD with momentum 0.9, or AdamW; in one kernel where the device has one."""
    rate, decay, fused = settings.learning_rate, settings.weight_decay, parameters[0].device.type in ("cpu", "cuda")
    if settings.optimizer == "sgd":
        return SGD(parameters, rate, momentum=0.9, weight_decay=decay, fused=fused)
    return AdamW(parameters, rate, weight_decay=decay, fused=fused)


def scheduled(method: Method[Any], optimizers: Mapping[str, Optimizer]) -> list[Optimizer]:
    """The optimisers that follow the run's learning rate."""
    return [optimizer for name, optimizer in optimizers.items() if name not in method.fixed_optimizers()]


def set_learning_rate(optimizers: Iterable[Optimizer], settings: Training, step: Step) -> float:
    """Give all optimisers this step's learning rate, and return it."""
    position = (step.number, step.stage.steps) if settings.schedule_restarts else (step.overall, step.total)
    grown = min((step.overall + 1) / (settings.warmup + 1), 1.0)
    rate = settings.learning_rate * SCHEDULES[settings.schedule](*position) * grown
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate
    return rate


def update(losses: dict[str, Tensor], optimizer: Optimizer, ranks: Ranks = ALONE) -> dict[str, Tensor]:
    """Sum, differentiate, average over processes, step. Returns scalars for the log, on the device: `loss`, `gradient_norm`, `skipped`.

    A gradient with a non-finite number is put to zero as a whole and counted, without making the device wait.
    """
    loss = torch.stack(list(losses.values())).sum()
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    ranks.average(gradients)
    norm = torch.nn.utils.get_total_norm(gradients)
    broken = ~torch.isfinite(norm)
    for gradient in gradients:
        gradient.masked_fill_(broken, 0.0)
    optimizer.step()
    return {**losses, "loss": loss, "gradient_norm": norm.masked_fill(broken, 0.0), "skipped": broken.float()}
