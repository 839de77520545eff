"""Entropy minimization (Grandvalet and Bengio, NeurIPS 2004): be sure of something, wherever there is no label."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from semiseg.case import Batch
from semiseg.functional.dice import class_squared_dice_loss
from semiseg.functional.losses import segmentation_loss
from semiseg.functional.schedules import consistency_weight
from semiseg.functional.uncertainty import entropy
from semiseg.methods.base import Step
from semiseg.methods.pools import OneNetwork, PoolSettings


class EntropyMinimizationSettings(PoolSettings):
    """Settings of entropy minimization. `released` is SSL4MIS."""

    RELEASED: ClassVar[dict[str, Any]] = {**PoolSettings.RELEASED, "entropy_on": "all"}

    weight: float = Field(0.1, ge=0, description="weight of the entropy when its ramp is up; 0 switches it off (SSL4MIS: 0.1)")
    ramp: float = Field(1.0, ge=0, le=1, description="share of the steps over which the weight ramps up (SSL4MIS: 200*150/30000 = 1)")
    entropy_on: Literal["unlabeled", "all"] = Field(
        "unlabeled", description="images whose entropy counts: the unlabelled ones (Vu et al.), or the labelled ones as well (SSL4MIS)"
    )


class EntropyMinimization(OneNetwork[EntropyMinimizationSettings]):
    r"""The entropy of the predictions on unlabelled voxels is part of the loss.

    $$L = \tfrac12 (\mathrm{CE} + \mathrm{Dice}) - \frac{w(t)}{\ln K}\, \overline{\textstyle\sum_c p_c \ln p_c}$$

    with the mean over unlabelled voxels, as a share of the largest entropy. One network is trained and predicts.
    """

    title = "Entropy minimization"
    paper = "Grandvalet and Bengio, NeurIPS 2004; for segmentation Vu et al., ADVENT, CVPR 2019"
    year = 2004
    Settings = EntropyMinimizationSettings

    def forward(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        labeled = len(batch.labeled.image)
        logits = self.on_all(self.network, self.images(batch), labeled)
        losses = {"supervised": segmentation_loss(logits[:labeled], batch.labeled.label, class_squared_dice_loss)}
        weight = consistency_weight(step, self.settings.weight, self.settings.ramp)
        if weight > 0:
            first = 0 if self.settings.entropy_on == "all" else labeled
            losses["entropy"] = weight * entropy(logits[first:].float().softmax(1)).mean() / math.log(self.task.classes)
        return losses
