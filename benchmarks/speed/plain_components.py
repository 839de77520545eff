"""The largest component of each class, as the released scripts find it: scikit-image, one class and one sample at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label as components


def keep_largest(labels: NDArray[Any], classes: int) -> NDArray[Any]:
    """labels (*S), same shape out; a tie goes to the component that comes first."""
    kept = np.zeros_like(labels)
    for k in range(1, classes):
        found = components(labels == k)
        if found.max() > 0:
            largest = found == np.argmax(np.bincount(found.flat)[1:]) + 1
            kept[largest] = k
    return kept
