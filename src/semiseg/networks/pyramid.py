"""A network whose decoder predicts at each of its levels: what URPC trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from semiseg.functional.perturbation import drop_attended, feature_noise
from semiseg.networks.description import Description
from semiseg.networks.layers import LAYERS
from semiseg.networks.precision import Stage

Perturbation = Literal["heads", "channels", "off"]
"""What is disturbed in training: the features that the extra heads see, whole channels of the decoder on its way up, or nothing."""

CHANNEL_DROPOUT = (0.5, 0.3, 0.2, 0.1)
"""Chance of a channel to be dropped after each stage of the decoder, deepest first (URPC's 3D code)."""
HEAD_PERTURBATIONS: tuple[Callable[[Tensor], Tensor], ...] = (F.dropout, drop_attended, feature_noise)
"""Of the features that the extra heads see, deepest first (URPC's 2D code)."""


class Pyramid(nn.Module):
    """An encoder and a decoder with a head on each of the decoder's four levels, all logits brought to the size of the input.

    The three extra heads are convolutions, 3 x 3 in 2D and 1 x 1 x 1 in 3D. Their logits are enlarged by nearest neighbour in 2D and
    linearly in 3D.

    Source: Luo et al., MICCAI 2021 and MedIA 2022 (URPC), whose 2D and 3D code differ in these points.
    """

    def __init__(self, description: Description, perturbation: Perturbation) -> None:
        super().__init__()
        layers, flat = LAYERS[description.dimensions], description.dimensions == 2
        self.encoder = description.encoder()
        self.decoder = description.decoder(description.ups[0])
        widths = description.widths[-2:0:-1]  # of the decoder's levels below full size, deepest first
        kernel = 3 if flat else 1
        self.heads = nn.ModuleList(Stage(layers.convolution(width, description.classes, kernel, padding=kernel // 2)) for width in widths)
        self.drops = nn.ModuleList(layers.channel_dropout(p if perturbation == "channels" else 0.0) for p in CHANNEL_DROPOUT)
        self.perturbs_heads = perturbation == "heads"
        self.enlargement = "nearest" if flat else "trilinear"

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C, *S) -> logits of the levels, full size first. (B, K, *S) each"""
        *deeper, last = self.levels(x)
        first = self.decoder.head(self.decoder.dropout(last))
        perturbations = HEAD_PERTURBATIONS if self.training and self.perturbs_heads else (_unchanged,) * 3
        extra = [head(perturb(level)) for head, level, perturb in zip(self.heads, deeper, perturbations, strict=True)]
        return [first, *(F.interpolate(logits, x.shape[2:], mode=self.enlargement) for logits in reversed(extra))]

    def levels(self, x: Tensor) -> list[Tensor]:
        """(B, C, *S) -> the features after each stage of the decoder, deepest first."""
        *skips, features = self.encoder(x)
        levels = []
        for up, stage, drop, skip in zip(self.decoder.ups, self.decoder.stages, self.drops, reversed(skips), strict=True):
            features = drop(stage(self.decoder.merge(skip, up(features))))
            levels.append(features)
        return levels

    def full_size(self, x: Tensor) -> Tensor:
        """(B, C, *S) -> logits of the full-size level alone, without perturbation. (B, K, *S)"""
        logits: Tensor = self.decoder(self.encoder(x))
        return logits


def _unchanged(features: Tensor) -> Tensor:
    return features
