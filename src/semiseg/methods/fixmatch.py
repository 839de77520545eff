"""FixMatch (Sohn et al., NeurIPS 2020): what the network is sure of on an image, it must say of a distorted one."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from semiseg.case import Batch
from semiseg.functional.dice import class_squared_dice_loss, one_hot
from semiseg.functional.losses import segmentation_loss
from semiseg.functional.perturbation import jitter_intensity
from semiseg.functional.schedules import consistency_weight
from semiseg.methods.base import Step
from semiseg.methods.pools import OneNetwork, PoolSettings


class FixMatchSettings(PoolSettings):
    """Settings of FixMatch. `released` is SSL4MIS, from which the field's numbers on medical scans come."""

    RELEASED: ClassVar[dict[str, Any]] = {
        **PoolSettings.RELEASED,
        "weight": 0.1,
        "ramp": 1.0,
        "confidence": "spread",
        "threshold": 0.8,
        "unsure": "background",
        "unlabeled_dice": True,
        "complementary": True,
    }

    variant: Literal["corrected", "released"] = Field("corrected", description="corrected, or as SSL4MIS does it")
    weight: float = Field(1.0, ge=0, description="weight of the unlabelled loss when its ramp is up (paper: 1; SSL4MIS: 0.1)")
    ramp: float = Field(0.0, ge=0, le=1, description="share of the steps over which the weight ramps up (paper: 0, no ramp; SSL4MIS: 1)")
    strength: float = Field(0.8, ge=0, le=1, description="of the strong view: brightness and contrast times 1 - s to 1 + s (SSL4MIS: 0.8)")
    confidence: Literal["maximum", "spread"] = Field(
        "maximum",
        description="of a voxel: its largest probability; SSL4MIS: largest less smallest over largest, which nearly all pass",
    )
    threshold: float = Field(0.95, ge=0, le=1, description="confidence that a pseudo-label needs (paper: 0.95; SSL4MIS: 0.8 of its spread)")
    unsure: Literal["ignored", "background"] = Field(
        "ignored", description="voxels below the threshold: left out (paper), or taught as background (SSL4MIS)"
    )
    unlabeled_dice: bool = Field(False, description="Dice besides cross entropy on pseudo-labels (paper: off; SSL4MIS: on)")
    complementary: bool = Field(False, description="SSL4MIS' extra term, which teaches the least probable class by way of 1 - p")


class FixMatch(OneNetwork[FixMatchSettings]):
    r"""Pseudo-labels from the image as it comes (weak view), where they are confident, teach the same image distorted (strong view).

    $$L = \mathrm{CE} + \mathrm{Dice} + w(t)\, \overline{1[\max_c p^w_c \ge \tau]\, \mathrm{CE}(z^s, \arg\max_c p^w_c)}$$

    with the labelled loss on the weak view, $p^w$ without gradient, and the mean over all unlabelled voxels, those left out too. The weak
    view is the batch with the run's augmentation, the strong one changes its intensities besides. One network is trained and predicts.
    """

    title = "FixMatch"
    paper = "Sohn et al., FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence, NeurIPS 2020"
    year = 2020
    Settings = FixMatchSettings

    def forward(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        images, labeled = self.images(batch), len(batch.labeled.image)
        weak = self.on_all(self.network, images, labeled).float()  # (L + U, K, *S)
        losses = {"supervised": 2 * segmentation_loss(weak[:labeled], batch.labeled.label, class_squared_dice_loss)}  # CE + Dice
        weight = consistency_weight(step, self.settings.weight, self.settings.ramp)
        if weight > 0:
            weak = weak.detach().softmax(1)
            start = 0 if self.settings.complementary else labeled  # the extra term wants the labelled images' strong views as well
            distorted = jitter_intensity(images[start:], self.settings.strength)
            strong = self.on_all(self.network, distorted, labeled - start).float()
            losses["pseudo_labels"] = weight * self.pseudo_label_loss(strong[labeled - start :], weak[labeled:])
            if self.settings.complementary:
                losses["complementary"] = weight * complementary_loss(strong.softmax(1), weak)
        return losses

    def pseudo_label_loss(self, strong: Tensor, weak: Tensor) -> Tensor:
        """Strong views' logits against what the weak views' probabilities are sure of; both (U, K, *S)."""
        sure = self.confidence(weak) >= self.settings.threshold  # (U, *S)
        labels = weak.argmax(1)
        if self.settings.unsure == "background":
            labels, counted = labels * sure, torch.ones_like(sure)
        else:
            counted = sure
        self.health = {"sure_voxels": sure.float().mean(), "pseudo_foreground": ((labels > 0) & counted).float().mean()}
        loss = (F.cross_entropy(strong, labels, reduction="none") * counted).mean()
        if self.settings.unlabeled_dice:
            loss = loss + class_squared_dice_loss(strong.softmax(1), one_hot(labels, strong.shape[1]), mask=counted.unsqueeze(1))
        return loss

    def confidence(self, probabilities: Tensor) -> Tensor:
        """(B, K, *S) -> (B, *S), 0 to 1."""
        largest = probabilities.amax(1)
        return largest if self.settings.confidence == "maximum" else (largest - probabilities.amin(1)) / largest


def complementary_loss(strong: Tensor, weak: Tensor) -> Tensor:
    """SSL4MIS' negative learning: A^2 times the cross entropy of 1 - p of the strong view, taken as logits, against the weak view's least
    probable class; A is one less the entropy of each class map over space, as a share of its largest value, averaged.

    Args:
        strong, weak: probabilities (B, K, *S).
    """
    maps = strong.flatten(2)  # (B, K, voxels)
    maps = maps / maps.sum(2, keepdim=True)
    spread = -(maps * (maps + torch.finfo(maps.dtype).tiny).log()).sum(2) / math.log(maps.shape[2])
    return (1 - spread).mean().square() * F.cross_entropy(1 - strong, weak.argmin(1))
