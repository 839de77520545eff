"""Losses between logits and hard labels, and between two views' features."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Class indices (B, *S) as float32 indicator maps (B, K, *S)."""
    ids = torch.arange(classes, device=labels.device).view(1, -1, *[1] * (labels.ndim - 1))
    return (labels.unsqueeze(1) == ids).float()


def sample_class_dice_loss(probabilities: Tensor, target: Tensor, epsilon: float = 1e-5) -> Tensor:
    """1 minus the mean over samples and classes (background too) of (2 sum(p y) + e) / (sum p + sum y + e); sums over one sample's voxels.

    Args:
        probabilities: (B, K, *S).
        target: (B, K, *S) indicators or soft labels.

    Source: the Dice term of BCP (3D) and CML; "D-nc1" in the survey of variants in docs/reference/losses.md.
    """
    spatial = tuple(range(2, probabilities.ndim))
    overlap = (probabilities * target).sum(spatial)  # (B, K)
    total = probabilities.sum(spatial) + target.sum(spatial)
    return 1 - ((2 * overlap + epsilon) / (total + epsilon)).mean()


def segmentation_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Half of cross entropy plus Dice, in float32: logits (B, K, *S), labels (B, *S) -> scalar (CML's and BCP's supervised loss)."""
    logits = logits.float()
    dice = sample_class_dice_loss(logits.softmax(1), one_hot(labels, logits.shape[1]))
    return 0.5 * (F.cross_entropy(logits, labels) + dice)


def feature_conflict_loss(features: Tensor, other: Tensor) -> Tensor:
    """1 plus the mean cosine over positions between `features` and `other`, both (B, C, *S); no gradient reaches `other`.

    Minimised, it makes two views see differently: 2 for equal features, 1 for orthogonal ones (with features after a ReLU, the minimum).
    Source: Wu et al., ACM MM 2024, conflict-based feature learning.
    """
    return 1 + F.cosine_similarity(features.float(), other.detach().float(), dim=1, eps=1e-6).mean()
