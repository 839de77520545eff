"""The loss on a mixed image: inside and outside of its box are judged apart, each with its own weight."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from semiseg.case import IGNORE
from semiseg.functional.dice import sample_class_dice_loss
from semiseg.functional.mixing import Box
from semiseg.functional.supervision import compared, labeled_voxels

MaskedDice = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Probabilities (B, K, *S), indicators (B, K, *S), mask (*S) -> scalar."""


def box_mask(box: Box, like: Tensor) -> Tensor:
    """1 in the box and 0 outside, in float32 on the device of `like` (..., *S). (*S)"""
    mask = torch.zeros(like.shape[like.ndim - len(box) :], device=like.device)
    mask[box] = 1
    return mask


def whole_background(dice: MaskedDice) -> MaskedDice:
    """`dice` with the background's part taken over all voxels, whatever the mask: the region loss of BCP's 2D code until October 2023."""

    def masked(probabilities: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        each = mask.expand(1, probabilities.shape[1], *mask.shape[-(probabilities.ndim - 2) :]).clone()  # (1, K, *S)
        each[:, 0] = 1
        return dice(probabilities, target, each)

    return masked


def region_loss(
    logits: Tensor, labels: Tensor, box: Box, inside: float, outside: float, dice: MaskedDice = sample_class_dice_loss
) -> Tensor:
    """Half of cross entropy plus Dice within the box, times `inside`, plus the same of the rest, times `outside`; in float32.

    Args:
        logits: (B, K, *S).
        labels: (B, *S), mixed along the same box; `IGNORE` is mixed along and left out.
        box: a region without labelled voxels costs nothing.

    Source: Bai et al., CVPR 2023 (BCP), the loss of bidirectional copy-paste.
    """
    logits = logits.float()
    probabilities, target = compared(logits.softmax(1), labels)
    entropy = F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="none").mean(0)  # (*S)
    labeled = labeled_voxels(labels)[:, 0].mean(0)  # (*S), the share of the batch
    mask, least = box_mask(box, labels), 1 / len(labels)
    losses = [
        weight * 0.5 * ((entropy * region).sum() / (labeled * region).sum().clamp(min=least) + dice(probabilities, target, region))
        for weight, region in ((inside, mask), (outside, 1 - mask))
    ]
    return torch.stack(losses).sum()
