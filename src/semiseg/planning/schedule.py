"""Chooses how long to train, with which optimiser, and how patches are varied."""

from __future__ import annotations

from semiseg.planning.draft import Draft
from semiseg.planning.machine import Machine

CPU_STEPS = 600
"""On hippocampus with 4 to 10 labels 400 were too few, and 750 gave nothing more (docs/benchmarks/hippocampus.md)."""
PUBLISHED_STEPS = {2: 30_000, 3: 6_000}
"""Of most methods on ACDC, and on LA."""
OPTIMIZER = {
    "training.optimizer": "adamw",
    "training.learning_rate": 3e-3,
    "training.weight_decay": 1e-4,
    "training.schedule": "polynomial",
}
AUGMENTATION = {"rotate": 15.0, "scale": 0.15, "contrast": 0.2, "brightness": 0.2, "gamma": 0.2, "noise": 0.1}


def choose_schedule(draft: Draft, dimensions: int, machine: Machine) -> None:
    """Decide steps, optimiser and augmentation."""
    draft.decide("training.steps", *training_steps(dimensions, machine))
    draft.decide_together(OPTIMIZER, "measured on hippocampus, on the control alone: the best of three rates")
    draft.decide_together(
        {f"augmentation.{name}": value for name, value in AUGMENTATION.items()} | {"augmentation.symmetry": "none"},
        "measured on hippocampus, on the control alone; no mirroring, since left and right may differ",
    )


def training_steps(dimensions: int, machine: Machine) -> tuple[int, str]:
    """Steps of all stages together, and why."""
    if machine.device == "cpu":
        return CPU_STEPS, "a small budget for a cpu: on hippocampus 400 were too few, and 750 gave nothing more"
    return PUBLISHED_STEPS[dimensions], f"as most methods were published with on {'LA' if dimensions == 3 else 'ACDC'}"
