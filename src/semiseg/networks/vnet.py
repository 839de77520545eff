"""The V-Net of semi-supervised segmentation: plain units, strided convolutions, skips by addition."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import nn

from semiseg.networks.description import FiveLevels
from semiseg.networks.encoder_decoder import Decoder, Encoder
from semiseg.networks.layers import Up, interpolation
from semiseg.networks.precision import Stage

ENCODER_UNITS = (1, 2, 3, 3, 3)
"""Convolutions a level, from shallow to deep."""
DECODER_UNITS = (3, 3, 2, 1)
"""Convolutions a level, from deep to shallow."""


@dataclass(frozen=True)
class VNet(FiveLevels):
    """The V-Net that the field trains on LA and Pancreas-CT (Milletari et al., 3DV 2016; without residuals, from UA-MT, MICCAI 2019).

    9,448,866 parameters in 3D with 1 channel and 2 classes. Works in 2D too.

    Attributes:
        dropout: chance of a whole channel to be dropped at the bottleneck and before the head, in training. 0.5 in every released method.
    """

    dropout: float = 0.5
    ups: ClassVar[tuple[Up, ...]] = ("transposed", "linear", "nearest")

    def encoder(self) -> Encoder:
        """(B, C, *S) -> 5 features, shallow to deep; the bottleneck has passed the dropout."""
        widths = self.widths
        inputs = [self.channels, *widths[1:]]
        stages = [self._stage(i, o, units) for i, o, units in zip(inputs, widths, ENCODER_UNITS, strict=True)]
        downs = [Stage(*self._normed(self.layers.convolution(i, o, 2, stride=2)), stride=2) for i, o in pairwise(widths)]
        return Encoder(self.dimensions, stages, downs, self._dropout())

    def decoder(self, up: Up, classes: int | None = None) -> Decoder:
        """5 features -> logits (B, K, *S); `features` has passed the dropout, the head is a 1 x 1 (x 1) convolution."""
        deep_to_shallow = self.widths[::-1]
        ups = [Stage(*self._up(i, o, up)) for i, o in pairwise(deep_to_shallow)]
        stages = [self._stage(width, width, units) for width, units in zip(deep_to_shallow[1:], DECODER_UNITS, strict=True)]
        head = self.layers.convolution(self.width, classes or self.classes, 1)
        return Decoder(ups, stages, operator.add, self._dropout(), head)

    def _stage(self, inputs: int, outputs: int, units: int) -> Stage:
        first = [inputs] + [outputs] * (units - 1)
        return Stage(*(layer for i in first for layer in self._normed(self.layers.convolution(i, outputs, 3, padding=1))))

    def _up(self, inputs: int, outputs: int, up: Up) -> Iterator[nn.Module]:
        if up == "transposed":
            yield from self._normed(self.layers.transposed(inputs, outputs, 2, stride=2))
        else:
            yield interpolation(self.dimensions, up)
            yield from self._normed(self.layers.convolution(inputs, outputs, 3, padding=1))

    def _normed(self, convolution: nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d) -> Iterator[nn.Module]:
        yield convolution
        yield self.layers.norm(convolution.out_channels)
        yield nn.ReLU(inplace=True)  # batch normalization's gradient does not need its output

    def _dropout(self) -> nn.Module:
        return self.layers.channel_dropout(self.dropout)
