"""MC-Net and MC-Net+ (Wu et al., MICCAI 2021, MedIA 2022): decoders that up-sample differently have to agree, surely."""

from __future__ import annotations

from itertools import permutations
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from semiseg.case import Batch
from semiseg.functional.dice import class_squared_half_dice_loss, foreground_dice_loss, unsmoothed_class_squared_dice_loss
from semiseg.functional.schedules import consistency_weight
from semiseg.functional.sharpening import sharpen
from semiseg.functional.supervision import compared
from semiseg.methods.base import Step, Task
from semiseg.methods.pools import PoolMethod, PoolSettings
from semiseg.networks.shared_encoder import SharedEncoder


class MCNetSettings(PoolSettings):
    """Settings of MC-Net and MC-Net+. What `variant: released` sets is in `RELEASED`."""

    RELEASED: ClassVar[dict[str, Any]] = {**PoolSettings.RELEASED, "detach_sharpened": False, "halved_dice": True}

    supervised_weight: float = Field(0.5, ge=0, description="weight of the Dice loss of each decoder (published: LA 0.5, ACDC 1)")
    weight: float = Field(
        1.0, ge=0, description="weight of the consistency when its ramp is up; 0 switches it off (published: LA 1, ACDC 0.1)"
    )
    ramp: float = Field(0.4, ge=0, le=1, description="share of the steps over which that weight ramps up (published: LA 0.4, ACDC 1)")
    temperature: float = Field(0.1, ge=0.02, le=1, description="of the sharpening; 1 leaves probabilities as they are (published: 0.1)")
    dice: Literal["foreground", "class_squared"] = Field(
        "foreground", description="Dice loss: linear over foreground (published in 3D) or squared over all classes (in 2D)"
    )
    halved_dice: bool = Field(
        False, description="the squared Dice without its factor 2, as in the authors' 2D code: never below 0.5, and half the gradient"
    )
    detach_sharpened: bool = Field(True, description="a soft pseudo-label is a target; in the authors' code it learns as well (off)")


class MCNet(PoolMethod[MCNetSettings]):
    r"""One encoder, two decoders that up-sample differently; each has to agree with the other's sharpened probabilities.

    $$L = \lambda \sum_i \mathrm{Dice}(p_i, y) + w(t) \sum_{i \ne j} \overline{(p_i - \mathrm{sg}\,S(p_j))^2}, \qquad
    S(p) = \frac{p^{1/T}}{p^{1/T} + (1 - p)^{1/T}}$$

    with Dice on labelled scans and the mean over all scans of the batch, classes and voxels. With more than two classes each class map is
    sharpened on its own, as in the authors' code. The first decoder predicts.
    """

    title = "MC-Net"
    paper = "Wu et al., Semi-supervised Left Atrium Segmentation with Mutual Consistency Training, MICCAI 2021"
    year = 2021
    Settings = MCNetSettings
    decoders: ClassVar[int] = 2

    def __init__(self, task: Task, settings: MCNetSettings) -> None:
        super().__init__(task, settings)
        self.network = SharedEncoder(task.network, self.decoders)
        squared = class_squared_half_dice_loss if settings.halved_dice else unsmoothed_class_squared_dice_loss
        self.dice = foreground_dice_loss if settings.dice == "foreground" else squared

    def forward(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        labels = batch.labeled.label
        views = self.on_all(self.network, self.images(batch), len(labels))
        probabilities = [logits.float().softmax(1) for logits in views]  # (L + U, K, *S) each
        supervised = torch.stack([self.dice(*compared(p[: len(labels)], labels)) for p in probabilities]).sum()
        losses = {"supervised": self.settings.supervised_weight * supervised}
        if self.settings.weight > 0:
            weight = consistency_weight(step, self.settings.weight, self.settings.ramp)
            losses["consistency"] = weight * self.consistency(probabilities)
        return losses

    def consistency(self, probabilities: list[Tensor]) -> Tensor:
        """Sum over ordered pairs of decoders of the mean squared distance to the other's sharpened probabilities (B, K, *S)."""
        soft_labels = [sharpen(p, self.settings.temperature) for p in probabilities]
        if self.settings.detach_sharpened:
            soft_labels = [soft.detach() for soft in soft_labels]
        pairs = permutations(range(self.decoders), 2)
        return torch.stack([F.mse_loss(probabilities[i], soft_labels[j]) for i, j in pairs]).sum()

    def predict_logits(self, image: Tensor) -> Tensor:
        return self.network.first(image)

    def predict_views(self, image: Tensor) -> list[Tensor]:
        views: list[Tensor] = self.network(image)
        return views


class MCNetPlus(MCNet):
    r"""MC-Net with three decoders, so with six ordered pairs.

    $$L = \lambda \sum_{i=1}^3 \mathrm{Dice}(p_i, y) + w(t) \sum_{i \ne j} \overline{(p_i - \mathrm{sg}\,S(p_j))^2}$$

    The first decoder predicts.
    """

    title = "MC-Net+"
    paper = "Wu et al., Mutual consistency learning for semi-supervised medical image segmentation, MedIA 2022"
    year = 2022
    decoders = 3
