"""An inverse power law that levels off, fitted to the Dice at several label budgets."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeWarning, curve_fit

POWERS = (0.05, 3.0)
"""Bounds of the exponent. Learning curves of images have 0.1 to 1 (Hestness et al. 2017); below 0.05 the plateau is anywhere."""
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Plateau:
    """Dice = a - b (n / n0)^-c for n labelled scans: an inverse power law that levels off at a."""

    a: float
    b: float
    c: float
    n0: float

    def dice(self, labels: float | Values) -> Any:
        """At so many labels."""
        return self.a - self.b * (np.asarray(labels, dtype=np.float64) / self.n0) ** -self.c

    def labels(self, dice: float) -> float:
        """How many labels reach a Dice; inf where the curve levels off below it."""
        left = self.a - dice
        if left <= 0:
            return math.inf
        exponent = math.log(max(self.b, 1e-300) / left) / self.c
        return self.n0 * math.exp(exponent) if exponent < 50 else math.inf


def fit(labels: list[int], means: list[float] | Values) -> Plateau | None:
    """The least-squares plateau; None where none is found."""
    n0, dice = float(labels[0]), np.asarray(means, dtype=np.float64)
    ratio = np.asarray(labels, dtype=np.float64) / n0
    highest = min(float(dice.max()), 1 - 1e-6)
    start = (min(highest + 0.5 * float(np.ptp(dice)) + 1e-3, 1.0), max(float(np.ptp(dice)), 1e-3), 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OptimizeWarning)  # three budgets give no covariance, and none is used
        try:
            (a, b, c), _ = curve_fit(
                power_law, ratio, dice, start, bounds=((0, 0, POWERS[0]), (1, 2, POWERS[1])), jac=slopes, ftol=1e-7, xtol=1e-6
            )
        except RuntimeError:
            return None
    return Plateau(float(a), float(b), float(c), n0)


def power_law(ratio: Values, a: float, b: float, c: float) -> Values:
    """The curve in multiples of the smallest budget."""
    return a - b * ratio**-c


def slopes(ratio: Values, a: float, b: float, c: float) -> Values:
    """Its derivatives by a, b and c: (points, 3)."""
    falling = ratio**-c
    return np.stack([np.ones_like(ratio), -falling, b * falling * np.log(ratio)], axis=1)
