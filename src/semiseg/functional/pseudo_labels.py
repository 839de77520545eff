"""Hard labels out of a network's own predictions."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor


def hard_labels(logits: Tensor) -> Tensor:
    """The most probable class of each voxel: (B, K, *S) -> (B, *S) int64. With two classes this is the threshold at one half."""
    return logits.argmax(1)


def keep_largest_components(labels: Tensor, classes: int) -> Tensor:
    """Keep each class's largest component in each sample; the rest becomes background. labels (B, *S) int64, same shape out.

    Neighbours touch by a face, an edge or a corner; a tie goes to the component that comes first. A class that is absent stays absent.
    Runs on the host, so an accelerator waits for it.
    """
    host = labels.cpu().numpy()
    kept = np.stack([largest_components(sample, classes) for sample in host])
    return torch.from_numpy(kept).to(labels.device)


def largest_components(labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """`keep_largest_components` of one label map (*S)."""
    kept = np.zeros_like(labels)
    neighbors = np.ones((3,) * labels.ndim, dtype=bool)
    for index in range(1, classes):
        mask = labels == index
        components, count = ndimage.label(mask, structure=neighbors)
        if count > 1:
            sizes = sum(np.bincount(part.ravel(), minlength=count + 1) for part in components)  # of the whole, it would copy all as int64
            mask = components == 1 + int(np.asarray(sizes)[1:].argmax())
        kept[mask] = index
    return kept
