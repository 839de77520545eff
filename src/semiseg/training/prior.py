"""How common each class is where a training begins."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from semiseg.case import Batch
from semiseg.training.health import class_shares

BATCHES = 4
"""First ones of a run, whose labels are counted."""
RAREST = 0.01
"""A rarer class counts as this common (Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, section 4.1)."""


def class_prior(load: Callable[[int], Batch], classes: int) -> Tensor:
    """The share of each class among the labelled voxels of the first batches: (K,), sums to 1.

    Args:
        load: the batch of a step, a pure function.
        classes: K, background included.
    """
    labels = torch.cat([load(step).labeled.label for step in range(BATCHES)])
    foreground = torch.tensor(class_shares(labels, classes - 1)[0]).clamp_min(RAREST)
    shares = torch.cat([(1 - foreground.sum(0, keepdim=True)).clamp_min(RAREST), foreground])
    return shares / shares.sum()
