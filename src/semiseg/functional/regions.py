"""The loss on a mixed image: inside and outside of its box are judged apart, each with its own weight."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from semiseg.functional.dice import one_hot, sample_class_dice_loss
from semiseg.functional.mixing import Box

MaskedDice = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Probabilities (B, K, *S), indicators (B, K, *S), mask (*S) -> scalar."""


def box_mask(box: Box, like: Tensor) -> Tensor:
    """1 in the box and 0 outside, in float32 on the device of `like` (..., *S). (*S)"""
    mask = torch.zeros(like.shape[like.ndim - len(box) :], device=like.device)
    mask[box] = 1
    return mask


def region_loss(
    logits: Tensor, labels: Tensor, box: Box, inside: float, outside: float, dice: MaskedDice = sample_class_dice_loss
) -> Tensor:
    """Half of cross entropy plus Dice within the box, times `inside`, plus the same of the rest, times `outside`; in float32.

    Args:
        logits: (B, K, *S).
        labels: (B, *S), mixed along the same box.
        box: a region without voxels costs nothing.

    Source: Bai et al., CVPR 2023 (BCP), the loss of bidirectional copy-paste.
    """
    logits = logits.float()
    probabilities, target = logits.softmax(1), one_hot(labels, logits.shape[1])
    entropy = F.cross_entropy(logits, labels, reduction="none").mean(0)  # (*S)
    mask = box_mask(box, labels)
    losses = [
        weight * 0.5 * ((entropy * region).sum() / region.sum().clamp(min=1) + dice(probabilities, target, region))
        for weight, region in ((inside, mask), (outside, 1 - mask))
    ]
    return torch.stack(losses).sum()
