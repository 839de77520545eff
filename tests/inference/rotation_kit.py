"""Oblique grids for tests."""

from __future__ import annotations

import numpy as np

from semiseg.case import Array


def rotation(degrees: tuple[float, float, float]) -> Array:
    """The (3, 3) matrix of turns about the three axes, one after another."""
    result = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        a, b = [k for k in range(3) if k != axis]
        turn = np.eye(3)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        result = result @ turn
    return result
