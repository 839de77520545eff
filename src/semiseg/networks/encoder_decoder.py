"""An encoder and a decoder of five levels, joined by skip connections: the shape that both networks share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from semiseg.errors import SettingsError

LEVELS = 5
"""Resolutions of both networks, the input's own included; each one below halves the sides."""
DIVISOR: int = 2 ** (LEVELS - 1)
"""Every side of an input must be a multiple of this."""

Merge = Callable[[Tensor, Tensor], Tensor]
"""Joins the encoder's tensor and the up-sampled one of the same grid: (skip, up) -> (B, ?, *S)."""


class Encoder(nn.Module):
    """Features of an image at every level.

    Args:
        dimensions: of the image, 2 or 3.
        stages: one a level.
        downs: halve the sides; one fewer than the stages.
        dropout: on the deepest features.
    """

    def __init__(self, dimensions: int, stages: Iterable[nn.Module], downs: Iterable[nn.Module], dropout: nn.Module) -> None:
        super().__init__()
        self.dimensions = dimensions
        self.stages = nn.ModuleList(stages)
        self.downs = nn.ModuleList(downs)
        self.dropout = dropout

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C, *S) -> features from shallow to deep, the i-th (B, width * 2**i, *S / 2**i); the last is the bottleneck.

        Raises:
            SettingsError: a side is not a multiple of 16, or there are too many or too few sides.
        """
        check_sides(x.shape[2:], self.dimensions)
        first, *deeper = self.stages
        features = [first(x)]
        for down, stage in zip(self.downs, deeper, strict=True):
            features.append(stage(down(features[-1])))
        features[-1] = self.dropout(features[-1])
        return features


class Decoder(nn.Module):
    """Logits from an encoder's features.

    Args:
        ups: double the sides; deepest first.
        stages: one after each joining of the encoder's features with what came up; deepest first.
        merge: how the two are joined.
        dropout: on the last features, before the head.
        head: last features to logits.
    """

    def __init__(self, ups: Iterable[nn.Module], stages: Iterable[nn.Module], merge: Merge, dropout: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.ups = nn.ModuleList(ups)
        self.stages = nn.ModuleList(stages)
        self.merge = merge
        self.dropout = dropout
        self.head = head

    def features(self, features: Sequence[Tensor]) -> Tensor:
        """An encoder's features -> what the head sees, after dropout. (B, width, *S)"""
        *skips, x = features
        for up, stage, skip in zip(self.ups, self.stages, reversed(skips), strict=True):
            x = stage(self.merge(skip, up(x)))
        last: Tensor = self.dropout(x)
        return last

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """An encoder's features -> logits. (B, K, *S)"""
        logits: Tensor = self.head(self.features(features))
        return logits


class Network(nn.Module):
    """One encoder and one decoder."""

    def __init__(self, encoder: nn.Module, decoder: Decoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *S) -> logits. (B, K, *S)"""
        logits: Tensor = self.decoder(self.encoder(x))
        return logits

    def with_features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, *S) -> what the head sees (B, width, *S), and logits (B, K, *S)."""
        features = self.decoder.features(self.encoder(x))
        return features, self.decoder.head(features)


def set_class_prior(head: nn.Module, shares: Tensor) -> None:
    """Let a head (a convolution, or one among other layers) begin with these probabilities (K,), up to what its features add."""
    with torch.no_grad():
        for layer in head.modules():
            if isinstance(layer, nn.Conv2d | nn.Conv3d) and layer.bias is not None:
                layer.bias.copy_(shares.log())


def check_sides(sides: Sequence[int], dimensions: int) -> None:
    """Raises SettingsError where an input of `sides` voxels would not come back from the bottleneck in its own size."""
    if len(sides) != dimensions:
        raise SettingsError(f"input of {_size(sides)} voxels: the network expects {dimensions} sides. Change the patch or the network.")
    for side in sides:
        if side % DIVISOR:
            larger = -(-side // DIVISOR) * DIVISOR
            raise SettingsError(
                f"input of {_size(sides)} voxels: side {side} is not a multiple of {DIVISOR}. Use {larger}, or pad the image."
            )


def _size(sides: Sequence[int]) -> str:
    return " x ".join(str(side) for side in sides)
