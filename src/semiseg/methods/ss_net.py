"""SS-Net (Wu et al., MICCAI 2022): predictions that are smooth under attack, and classes whose features are compact."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from semiseg.case import Batch
from semiseg.functional.adversarial import frozen_statistics, virtual_adversarial_loss
from semiseg.functional.dice import DiceLoss, foreground_dice_loss, pooled_dice_loss, unsmoothed_class_squared_dice_loss
from semiseg.functional.schedules import consistency_weight
from semiseg.functional.supervision import compared
from semiseg.methods.base import Step, Task
from semiseg.methods.pools import OneNetwork, PoolSettings
from semiseg.networks.class_memory import ClassMemory

DICE: dict[str, DiceLoss] = {"foreground": foreground_dice_loss, "class_squared": unsmoothed_class_squared_dice_loss}
DISTANCE: dict[str, DiceLoss] = {"class_squared": unsmoothed_class_squared_dice_loss, "pooled": pooled_dice_loss}


class SSNetSettings(PoolSettings):
    """Settings of SS-Net. What `variant: released` sets is in `RELEASED`."""

    RELEASED: ClassVar[dict[str, Any]] = {
        **PoolSettings.RELEASED,
        "memory_keeps": "lowest",
        "average_over": "all",
        "attack_target": "own_pass",
        "points": 0,
    }

    weight: float = Field(
        1.0, ge=0, description="weight of both terms when their ramp is up; 0 switches them off (published: LA 1, ACDC 0.1)"
    )
    ramp: float = Field(0.4, ge=0, le=1, description="share of the steps over which that weight ramps up (published: LA 0.4, ACDC 1)")
    contrast_weight: float = Field(0.1, ge=0, description="weight of the class terms within it; 0 switches them off (published: 0.1)")
    dice: Literal["foreground", "class_squared"] = Field(
        "foreground", description="Dice loss: linear over foreground (published in 3D) or squared over all classes (in 2D)"
    )
    attack_radius: float = Field(10.0, gt=0, description="L2 norm of the attack over all voxels of a patch (published: LA 10, ACDC 6)")
    attack_distance: Literal["class_squared", "pooled"] = Field(
        "class_squared", description="of predictions: squared Dice, 0 if equal (published in 2D), or linear, which also sharpens (in 3D)"
    )
    attack_target: Literal["prediction", "own_pass"] = Field(
        "prediction", description="what the attacked prediction must equal: the step's own, or as in the authors' code one more pass"
    )
    memory_size: int = Field(32, ge=1, le=256, description="features kept of each class (published: 32)")
    memory_keeps: Literal["highest", "lowest"] = Field(
        "highest", description="features kept are those with the highest score (paper) or, by a slip of the authors' code, the lowest"
    )
    points: int = Field(
        1024,
        ge=0,
        description="random voxels of each class that are compared in a step, so that every class weighs the same in the heads' batch "
        "normalization; 0: all voxels, most of them background (published)",
    )
    average_over: Literal["foreground", "all"] = Field(
        "foreground", description="the class terms are divided by the number of foreground classes, or, as in the authors' code, of all"
    )


class SSNet(OneNetwork[SSNetSettings]):
    r"""Predictions must not change under an adversarial change of the image, and features must come near remembered ones of their class.

    $$L = \mathrm{Dice}(p, y) + w(t) \left[ d(f(x + r), \mathrm{sg}\,p) + \lambda_c (L_c^\text{labelled} + L_c^\text{unlabelled}) \right]$$

    $$L_c = \frac{1}{K - 1} \sum_{c \ge 1} \frac{\sum_i \omega_i (1 - \hat q_i \cdot u_c)}{\sum_i \omega_i}, \qquad
    u_c = \frac{\sum_j \nu_j \hat m_j}{\sum_j \nu_j}$$

    with $r$ of norm `attack_radius` where $d$ grows fastest; $\hat q_i$ the projected and predicted features of voxels of class $c$ (by
    label, or by the network's own word) and $\hat m_j$ the memory of that class (projected features of labelled voxels that are predicted
    correctly), both at unit length; $\omega, \nu$ learnt weights. $L_c$ is the weighted mean of $1 - \cos$ over all pairs $(i, j)$.
    The network is trained with its heads, and predicts without them.
    """

    title = "SS-Net"
    paper = "Wu et al., Exploring Smoothness and Class-Separation for Semi-supervised Medical Image Segmentation, MICCAI 2022"
    year = 2022
    Settings = SSNetSettings

    def __init__(self, task: Task, settings: SSNetSettings) -> None:
        super().__init__(task, settings)
        self.memory = ClassMemory(task.network.widths[0], task.classes, settings.memory_size, settings.points, settings.memory_keeps)

    def forward(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        images, labels = self.images(batch), batch.labeled.label
        features, logits = self.on_all(self.network.with_features, images, len(labels))
        logits = logits.float()
        probabilities = logits.softmax(1)  # (L + U, K, *S)
        losses = {"supervised": DICE[self.settings.dice](*compared(probabilities[: len(labels)], labels))}
        if self.settings.weight > 0:
            weight = consistency_weight(step, self.settings.weight, self.settings.ramp)
            losses["adversarial"] = weight * self.adversarial(images, probabilities, len(labels))
            if self.settings.contrast_weight > 0:
                losses["contrast"] = weight * self.settings.contrast_weight * self.contrast(features, logits.argmax(1), labels)
        return losses

    def row_functions(self) -> list[tuple[nn.Module, str]]:
        return [(self.network, "forward"), (self.network, "with_features")]

    def adversarial(self, images: Tensor, probabilities: Tensor, labeled: int) -> Tensor:
        """How far the prediction moves under attack."""
        predict = partial(self.on_all, self.network, labeled=labeled)
        target = probabilities.detach()
        if self.settings.attack_target == "own_pass":
            with torch.no_grad():
                target = predict(images).float().softmax(1)
        full_precision = torch.autocast(images.device.type, enabled=False)  # bfloat16 would round a quarter of the attack away
        with frozen_statistics(self.network), full_precision:
            return virtual_adversarial_loss(predict, images, target, DISTANCE[self.settings.attack_distance], self.settings.attack_radius)

    def contrast(self, features: Tensor, predicted: Tensor, labels: Tensor) -> Tensor:
        """The class terms of labelled and unlabelled scans: features (L + U, width, *S), predicted (L + U, *S), labels (L, *S).

        A voxel with the label `IGNORE` is of no class here.
        """
        split = len(labels)
        labeled, unlabeled = _points(features[:split]), _points(features[split:])
        correct = torch.where(predicted[:split] == labels, labels, 0)
        self.memory.remember(labeled.detach(), correct.flatten())
        terms = self.memory.attraction(labeled, labels.flatten()) + self.memory.attraction(unlabeled, predicted[split:].flatten())
        return terms / (self.task.classes - (self.settings.average_over == "foreground"))


def _points(features: Tensor) -> Tensor:
    """(B, width, *S) -> (B * voxels, width)"""
    return features.movedim(1, -1).flatten(0, -2)
