"""DTC, dual-task consistency (Luo et al., AAAI 2021): what is labelled and how far its surface is must tell the same story."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from semiseg.case import Batch
from semiseg.functional.schedules import consistency_weight
from semiseg.methods.base import Step
from semiseg.methods.distance_maps import DistanceMapMethod, DistanceMapSettings


class DTCSettings(DistanceMapSettings):
    """Settings of DTC."""

    weight: float = Field(1.0, ge=0, description="weight of the consistency when its ramp is up; 0 switches it off (published: 1)")
    steepness: float = Field(1500.0, gt=0, description="of the sigmoid that turns a distance into a probability (published: 1500)")


class DTC(DistanceMapMethod[DTCSettings]):
    r"""One network with two heads: probabilities $p$, and signed distance maps $s \in [-1, 1]$ that turn into probabilities too.

    $$L = \mathrm{Dice}(p, y) + \lambda\, \overline{(s - \phi(y))^2} + w(t)\, \overline{(\sigma(-k s) - p)^2}$$

    The first two terms on labelled scans (squared Dice of the foreground classes), the last on all. $\phi(y)$ are the maps of the labels,
    negative inside and scaled to $[-1, 1]$; $k = 1500$, so only voxels near the surface teach the maps. Both heads learn from both sides.

    The paper has one foreground class. With $K$ classes there are $K - 1$ maps and the softmax of $K - 1$ logits beside a background logit
    of 0, which with $K = 2$ is the paper's sigmoid. The segmentation head predicts.
    """

    title = "DTC"
    paper = "Luo et al., Semi-supervised Medical Image Segmentation through Dual-task Consistency, AAAI 2021"
    year = 2021
    Settings = DTCSettings

    def forward(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        settings = self.settings
        losses, logits, distances = self.supervised(batch)
        if settings.weight > 0:
            weight = consistency_weight(step, settings.weight, settings.ramp)
            losses["consistency"] = weight * F.mse_loss(self.inside(distances), logits.float().softmax(1)[:, 1:])
        return losses

    def inside(self, distances: Tensor) -> Tensor:
        """Probability of being inside, from signed distances: one half on the surface, else all but 0 or 1. (B, K - 1, *S)"""
        return torch.sigmoid(-self.settings.steepness * distances.float())
