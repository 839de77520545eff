"""Losses look at voxels that somebody labelled: the one place where the others, `IGNORE` in a label, are left out."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from semiseg.case import IGNORE
from semiseg.functional.dice import one_hot

# Where every voxel is labelled, each function multiplies or divides by exactly 1 (or by the number that a plain mean divides by), so
# that a training without partly labelled scans has the very losses that it would have without this file. No shape depends on the data.


def labeled_voxels(labels: Tensor) -> Tensor:
    """1 where somebody labelled, 0 where the label is `IGNORE`: (B, *S) -> (B, 1, *S) float32."""
    return (labels != IGNORE).unsqueeze(1).float()


def compared(probabilities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities and indicators of the labels, both (B, K, *S) and both 0 at ignored voxels: what every Dice loss is given.

    All of its sums then run over labelled voxels alone. A sample with none adds nothing to sums over the batch; where Dice is taken
    sample by sample it counts as perfect.
    """
    return probabilities * labeled_voxels(labels), one_hot(labels, probabilities.shape[1])


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean cross entropy over labelled voxels, 0 where there are none: logits (B, K, *S), labels (B, *S) -> scalar."""
    total = F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="sum")
    return total / (labels != IGNORE).sum().clamp_min(1)


def mean_squared_error(maps: Tensor, target: Tensor, labels: Tensor) -> Tensor:
    """The mean over maps and labelled voxels of (maps - target)^2, 0 where there are none: (B, M, *S) each, labels (B, *S) -> scalar."""
    labeled = labeled_voxels(labels)
    share = labeled.mean().clamp_min(1 / labels.numel())
    return F.mse_loss(maps * labeled, target * labeled) / share
