"""How weights and learning rates change over the steps, as plain functions of the step."""

from __future__ import annotations

import math
from typing import Protocol


def sigmoid_ramp(position: float, length: float) -> float:
    """exp(-5 (1 - p)^2) with p = position / length clipped to [0, 1]: from exp(-5) to 1 (Laine and Aila, ICLR 2017)."""
    if length == 0:
        return 1.0
    progress = min(max(position / length, 0.0), 1.0)
    return math.exp(-5 * (1 - progress) ** 2)


class Position(Protocol):
    """Where a training stands: a `Step`, or anything with these two."""

    @property
    def overall(self) -> int:
        """Steps done, over all stages."""

    @property
    def total(self) -> int:
        """Steps of the whole training."""


def consistency_weight(step: Position, weight: float, ramp: float) -> float:
    """`weight` times the sigmoid ramp over the first `ramp` of the training; ramp 0 is the full weight from the start.

    The field writes w(t) = weight * r(floor(t / 150); L), which is ramp = 150 L / steps up to the floor: 1 for L = 40 in 6,000 steps (LA)
    and for L = 200 in 30,000 (ACDC), 0.4 for L = 40 in 15,000.
    """
    return weight * sigmoid_ramp(step.overall, ramp * step.total)


def constant(step: int, steps: int) -> float:
    """Factor 1."""
    return 1.0


def polynomial(step: int, steps: int) -> float:
    """Factor (1 - step / steps)^0.9 (Chen et al., TPAMI 2018)."""
    return float((1 - step / steps) ** 0.9)


def staircase(step: int, steps: int) -> float:
    """Factor 0.1^k from step 2,500 k on: the field's schedule for LA, whatever the number of steps (Yu et al., MICCAI 2019)."""
    return float(0.1 ** (step // 2500))


SCHEDULES = {"constant": constant, "polynomial": polynomial, "staircase": staircase}
