"""Hard labels out of a network's own predictions."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from semiseg.functional import components_on_device
from semiseg.functional.components import keep_largest

ON_HOST = ("cpu", "mps")
"""Whose components are found on the host."""


def hard_labels(logits: Tensor) -> Tensor:
    """The most probable class of each voxel: (B, K, *S) -> (B, *S) int64. With two classes this is the threshold at one half."""
    return logits.max(1).indices  # `argmax` takes up to 30 times as long on a CPU


def keep_largest_components(labels: Tensor, classes: int) -> Tensor:
    """Keep each class's largest component in each sample; the rest becomes background. labels (B, *S) int64, same shape out.

    Neighbours touch by a face, an edge or a corner; a tie goes to the component that comes first. A class that is absent stays absent.
    CUDA does it on the device, without waiting for the host; for MPS it runs on the host, and one byte a voxel travels there and back.
    """
    if labels.device.type not in ON_HOST:
        return components_on_device.keep_largest(labels, classes)
    small = labels.to(torch.uint8) if classes <= 256 and labels.device.type != "cpu" else labels
    return torch.from_numpy(keep_largest(small.cpu().numpy(), classes)).to(labels.device).to(labels.dtype)


def largest_components(labels: NDArray[Any], classes: int) -> NDArray[Any]:
    """`keep_largest_components` of one label map (*S)."""
    kept: NDArray[Any] = keep_largest(labels[None], classes)[0]
    return kept
