"""The U-Net of semi-supervised segmentation: pairs of convolutions, max pooling, skips by concatenation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from semiseg.networks.description import FiveLevels
from semiseg.networks.encoder_decoder import Decoder, Encoder
from semiseg.networks.layers import Dropout, Up, interpolation
from semiseg.networks.precision import Stage

DROPOUT = (0.1, 0.2, 0.4, 0.6, 1.0)
"""Dropout between the two convolutions of each level of the encoder, from shallow to deep, as shares of the deepest one's (SSL4MIS)."""
SLOPE = 0.01
"""Of the leaky rectifier below zero (SSL4MIS)."""


@dataclass(frozen=True)
class UNet(FiveLevels):
    """The U-Net that the field trains on ACDC (Ronneberger et al., MICCAI 2015; this form from SSL4MIS).

    1,813,764 parameters in 2D with 1 channel and 4 classes. Works in 3D too.

    Attributes:
        dropout: chance of an element to be dropped at the encoder's deepest level, in training, and down to a tenth of it at shallower
            ones. Published: 0.5.
    """

    dropout: float = 0.5
    ups: ClassVar[tuple[Up, ...]] = ("linear", "transposed", "nearest")

    def encoder(self) -> Encoder:
        """(B, C, *S) -> 5 features, shallow to deep; the dropout sits inside the levels, none follows the bottleneck."""
        sizes = pairwise([self.channels, *self.widths])
        stages = [self._stage(i, o, self.dropout * share) for (i, o), share in zip(sizes, DROPOUT, strict=True)]
        downs = [self.layers.max_pool(2) for _ in stages[1:]]
        return Encoder(self.dimensions, stages, downs, nn.Identity())

    def decoder(self, up: Up, classes: int | None = None) -> Decoder:
        """5 features -> logits (B, K, *S); the head is a 3 x 3 (x 3) convolution."""
        sizes = list(pairwise(self.widths[::-1]))
        ups = [Stage(*self._up(i, o, up)) for i, o in sizes]
        stages = [self._stage(2 * o, o, 0.0) for _, o in sizes]
        head = self.layers.convolution(self.width, classes or self.classes, 3, padding=1)
        return Decoder(ups, stages, concatenate, nn.Identity(), head)

    def _stage(self, inputs: int, outputs: int, dropout: float) -> Stage:
        return Stage(*self._unit(inputs, outputs), Dropout(dropout), *self._unit(outputs, outputs))

    def _unit(self, inputs: int, outputs: int) -> Iterator[nn.Module]:
        yield self.layers.convolution(inputs, outputs, 3, padding=1)
        yield self.layers.norm(outputs)
        yield nn.LeakyReLU(SLOPE, inplace=True)  # batch normalization's gradient does not need its output

    def _up(self, inputs: int, outputs: int, up: Up) -> Iterator[nn.Module]:
        if up == "transposed":
            yield self.layers.transposed(inputs, outputs, 2, stride=2)
        else:
            yield self.layers.convolution(inputs, outputs, 1)  # before the interpolation: the same result at fewer voxels
            yield interpolation(self.dimensions, up)


def concatenate(skip: Tensor, up: Tensor) -> Tensor:
    """(B, W, *S) twice -> (B, 2 W, *S)"""
    return torch.cat([skip, up], dim=1)
