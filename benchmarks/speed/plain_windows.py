"""A scan's probabilities as the released test scripts make them: one window at a time, sums and counts kept in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def probabilities(
    network: Callable[[Tensor], Tensor],
    image: NDArray[Any],
    patch: tuple[int, int, int],
    stride: tuple[int, int, int],
    classes: int,
    device: torch.device,
) -> NDArray[np.float32]:
    """(K, *S): the mean softmax of all windows. The scan (*S) is not smaller than the patch."""
    total = np.zeros((classes, *image.shape), np.float32)
    count = np.zeros(image.shape, np.float32)
    numbers = [math.ceil((side - size) / step) + 1 for side, size, step in zip(image.shape, patch, stride, strict=True)]
    for i in range(numbers[0]):
        x = min(stride[0] * i, image.shape[0] - patch[0])
        for j in range(numbers[1]):
            y = min(stride[1] * j, image.shape[1] - patch[1])
            for k in range(numbers[2]):
                z = min(stride[2] * k, image.shape[2] - patch[2])
                window = image[x : x + patch[0], y : y + patch[1], z : z + patch[2]]
                with torch.no_grad():
                    logits = network(torch.from_numpy(window[None, None].astype(np.float32)).to(device))
                scores = torch.softmax(logits, 1).cpu().numpy()[0]
                total[:, x : x + patch[0], y : y + patch[1], z : z + patch[2]] += scores
                count[x : x + patch[0], y : y + patch[1], z : z + patch[2]] += 1
    return total / count
