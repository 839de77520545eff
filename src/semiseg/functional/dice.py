"""The Dice losses of the field: they differ in sums, squares and classes, so each has its own name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

DiceLoss = Callable[[Tensor, Tensor], Tensor]
"""Probabilities and indicators, (B, K, *S) each -> scalar: one of this module."""


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Class indices (B, *S) as float32 indicator maps (B, K, *S); all 0 where the label is `IGNORE`."""
    ids = torch.arange(classes, device=labels.device).view(1, -1, *[1] * (labels.ndim - 1))
    return (labels.unsqueeze(1) == ids).float()


def sample_class_dice_loss(probabilities: Tensor, target: Tensor, mask: Tensor | None = None, epsilon: float = 1e-5) -> Tensor:
    """1 minus the mean over samples and classes (background too) of (2 sum(p y) + e) / (sum p + sum y + e); sums over one sample.

    Args:
        probabilities: (B, K, *S).
        target: (B, K, *S) indicators or soft labels.
        mask: (*S) or (B, 1, *S), 1 where voxels count; all by default.

    Source: the Dice term of CML, and of BCP in 3D.
    """
    axes = tuple(range(2, probabilities.ndim))
    return 1 - _ratio(probabilities, target, axes, epsilon, mask=mask).mean()


def class_squared_dice_loss(probabilities: Tensor, target: Tensor, mask: Tensor | None = None, epsilon: float = 1e-5) -> Tensor:
    """1 minus the mean over classes (background too) of (2 sum(p y) + e) / (sum p^2 + sum y^2 + e); sums over the whole batch.

    Source: Mean Teacher, UA-MT, URPC, CPS and FixMatch on ACDC.
    """
    return 1 - _ratio(probabilities, target, _batch_and_space(probabilities), epsilon, squared=True, mask=mask).mean()


def unsmoothed_class_squared_dice_loss(probabilities: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """`class_squared_dice_loss` with e = 1e-10: MC-Net, SS-Net and BCP in 2D."""
    return class_squared_dice_loss(probabilities, target, mask, epsilon=1e-10)


def class_squared_half_dice_loss(probabilities: Tensor, target: Tensor, epsilon: float = 1e-10) -> Tensor:
    """As `class_squared_dice_loss` without the factor 2, so that it lies in [0.5, 1] and its gradient is half: MC-Net in 2D as released."""
    axes = _batch_and_space(probabilities)
    overlap = (probabilities * target).sum(axes)
    return 1 - (overlap / (probabilities.square().sum(axes) + target.square().sum(axes) + epsilon)).mean()


def foreground_squared_dice_loss(probabilities: Tensor, target: Tensor, epsilon: float = 1e-5) -> Tensor:
    """`class_squared_dice_loss` over the foreground classes alone: UA-MT, SASSNet, DTC and MCF on LA.

    (B, K, *S) each. A single map, as of a sigmoid, is foreground.
    """
    foreground = slice(1, None) if probabilities.shape[1] > 1 else slice(None)
    return class_squared_dice_loss(probabilities[:, foreground], target[:, foreground], epsilon=epsilon)


def foreground_dice_loss(probabilities: Tensor, target: Tensor, epsilon: float = 1e-8) -> Tensor:
    """1 minus the mean over foreground classes of (2 sum(p y) + e) / (sum p + sum y + e); sums over the batch: MC-Net and SS-Net in 3D."""
    foreground = slice(1, None)
    return 1 - _ratio(probabilities[:, foreground], target[:, foreground], _batch_and_space(probabilities), epsilon).mean()


def pooled_dice_loss(probabilities: Tensor, target: Tensor, epsilon: float = 1e-8) -> Tensor:
    """1 - (2 sum(p y) + e) / (sum p + sum y + e) with one sum over samples, classes and voxels: between predictions in SS-Net's 3D code.

    Equal predictions that are unsure cost more than 0, so it also makes sure.
    """
    return 1 - (2 * (probabilities * target).sum() + epsilon) / (probabilities.sum() + target.sum() + epsilon)


DICE: dict[str, DiceLoss] = {
    "sample_class": sample_class_dice_loss,
    "class_squared": class_squared_dice_loss,
    "foreground_squared": foreground_squared_dice_loss,
    "foreground": foreground_dice_loss,
}
"""By the names that settings have for them."""


def _batch_and_space(tensor: Tensor) -> tuple[int, ...]:
    return (0, *range(2, tensor.ndim))


def _ratio(p: Tensor, y: Tensor, axes: tuple[int, ...], epsilon: float, squared: bool = False, mask: Tensor | None = None) -> Tensor:
    if mask is not None:
        weighted, target = p * mask, y * mask
    else:
        weighted, target = p, y
    total = (weighted * p).sum(axes) + (target * y).sum(axes) if squared else weighted.sum(axes) + target.sum(axes)
    return (2 * (weighted * y).sum(axes) + epsilon) / (total + epsilon)
