"""URPC (Luo et al., MICCAI 2021): the levels of one decoder have to agree, least where they are unsure."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from semiseg.case import Batch
from semiseg.functional.dice import class_squared_dice_loss
from semiseg.functional.losses import segmentation_loss
from semiseg.functional.schedules import consistency_weight
from semiseg.methods.base import Step, Task
from semiseg.methods.pools import PoolMethod, PoolSettings
from semiseg.networks.encoder_decoder import set_class_prior
from semiseg.networks.pyramid import Perturbation, Pyramid


class URPCSettings(PoolSettings):
    """Settings of URPC. What `variant: released` sets is in `RELEASED`."""

    RELEASED: ClassVar[dict[str, Any]] = {**PoolSettings.RELEASED, "divergence": "mean_to_level"}

    weight: float = Field(0.1, ge=0, description="weight of the consistency when its ramp is up; 0 switches it off (published: 0.1)")
    ramp: float = Field(1.0, ge=0, le=1, description="share of the steps over which that weight ramps up (published: 200*150/30000 = 1)")
    perturbation: Perturbation = Field(
        "heads", description="in training: features of the extra heads (published in 2D), channels of the decoder (in 3D), or off"
    )
    divergence: Literal["level_to_mean", "mean_to_level"] = Field(
        "level_to_mean", description="KL of a level from the mean, at most ln 4 (paper), or of the mean from a level, unbounded (code)"
    )


class URPC(PoolMethod[URPCSettings]):
    r"""One network with a head on each level of its decoder; unlabelled scans ask that all say the same.

    With probabilities $p_s$ of $R = 4$ levels, their mean $\bar p$ and $D_s = \sum_c p_{s,c} \log (p_{s,c} / \bar p_c)$ at each voxel:

    $$L = \frac1R \sum_s \tfrac12(\mathrm{CE} + \mathrm{Dice})(p_s, y) + \frac{w(t)}{R} \sum_s
    \left[ \frac{\overline{(\bar p - p_s)^2 e^{-D_s}}}{\overline{e^{-D_s}}} + \overline{D_s} \right]$$

    with means over samples, classes and voxels, and gradients through $\bar p$ too. Logarithms are taken of logits, so that a probability
    that rounds to 0 costs much but not infinitely much. The full-size level predicts.
    """

    title = "URPC"
    paper = "Luo et al., Efficient Semi-supervised [...] Segmentation via Uncertainty Rectified Pyramid Consistency, MICCAI 2021"
    year = 2021
    Settings = URPCSettings

    def __init__(self, task: Task, settings: URPCSettings) -> None:
        super().__init__(task, settings)
        self.network = Pyramid(task.network, settings.perturbation)

    def forward(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        labels = batch.labeled.label
        levels = [logits.float() for logits in self.on_all(self.network, self.images(batch), len(labels))]  # (L + U, K, *S) each
        supervised = [segmentation_loss(logits[: len(labels)], labels, class_squared_dice_loss) for logits in levels]
        losses = {"supervised": torch.stack(supervised).mean()}
        if self.settings.weight > 0:
            weight = consistency_weight(step, self.settings.weight, self.settings.ramp)
            losses["consistency"] = weight * self.consistency([logits[len(labels) :] for logits in levels])
        return losses

    def set_class_prior(self, shares: Tensor) -> None:
        super().set_class_prior(shares)
        for head in self.network.heads:
            set_class_prior(head, shares)

    def consistency(self, levels: list[Tensor]) -> Tensor:
        """The rectified distance of each level's probabilities to their mean, plus its divergence; logits (U, K, *S) -> scalar."""
        logs = torch.stack([logits.log_softmax(1) for logits in levels])  # (R, U, K, *S)
        mean_log = logs.logsumexp(0) - math.log(len(levels))
        mean = mean_log.exp()
        losses = []
        for level in logs:
            p = level.exp()
            terms = p * (level - mean_log) if self.settings.divergence == "level_to_mean" else mean * (mean_log - level)
            divergence = terms.sum(1, keepdim=True)  # (U, 1, *S)
            certainty = (-divergence).exp()
            rectified = ((mean - p).square() * certainty).mean() / (certainty.mean() + 1e-8)  # as released
            losses.append(rectified + divergence.mean())
        return torch.stack(losses).mean()

    def predict_logits(self, image: Tensor) -> Tensor:
        return self.network.full_size(image)
