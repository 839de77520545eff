"""Losses between logits and hard labels, and between two views' features."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from semiseg.functional.dice import DiceLoss, sample_class_dice_loss
from semiseg.functional.supervision import compared, cross_entropy


def segmentation_loss(logits: Tensor, labels: Tensor, dice: DiceLoss = sample_class_dice_loss) -> Tensor:
    """Half of cross entropy plus Dice over labelled voxels, in float32: logits (B, K, *S), labels (B, *S) -> scalar.

    Source: the supervised loss of CML and BCP in 3D; with the papers' own `dice`, that of Mean Teacher, UA-MT, CPS, URPC.
    """
    logits = logits.float()
    return 0.5 * (cross_entropy(logits, labels) + dice(*compared(logits.softmax(1), labels)))


def feature_conflict_loss(features: Tensor, other: Tensor) -> Tensor:
    """1 plus the mean cosine over positions between `features` and `other`, both (B, C, *S); no gradient reaches `other`.

    Minimised, it makes two views see differently: 2 for equal features, 1 for orthogonal ones (with features after a ReLU, the minimum).
    Source: Wu et al., ACM MM 2024, conflict-based feature learning.
    """
    return 1 + F.cosine_similarity(features.float(), other.detach().float(), dim=1, eps=1e-6).mean()
