"""Scores as the released scripts make them: one MedPy call for each metric and class."""

from __future__ import annotations

from typing import Any

from medpy.metric import binary
from numpy.typing import NDArray


def scores(prediction: NDArray[Any], reference: NDArray[Any], classes: int) -> list[tuple[float, ...]]:
    """(Dice, Jaccard, HD95, ASD, ASSD) in voxels of each class of two label maps."""
    metrics = (binary.dc, binary.jc, binary.hd95, binary.asd, binary.assd)
    return [tuple(float(metric(prediction == k, reference == k)) for metric in metrics) for k in range(1, classes + 1)]
