"""How weights and learning rates change over the steps, as plain functions of the step."""

from __future__ import annotations

import math


def sigmoid_ramp(position: float, length: float) -> float:
    """exp(-5 (1 - p)^2) with p = position / length clipped to [0, 1]: from exp(-5) to 1 (Laine and Aila, ICLR 2017)."""
    if length == 0:
        return 1.0
    progress = min(max(position / length, 0.0), 1.0)
    return math.exp(-5 * (1 - progress) ** 2)


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
