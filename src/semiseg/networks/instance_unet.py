"""The 3D U-Net with instance normalization that semi-supervised methods are compared with on BraTS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import nn

from semiseg.networks.description import FiveLevels
from semiseg.networks.encoder_decoder import Decoder, Encoder
from semiseg.networks.layers import Dropout, Up
from semiseg.networks.precision import Stage
from semiseg.networks.unet import concatenate


@dataclass(frozen=True)
class InstanceUNet(FiveLevels):
    """The U-Net that the field trains on BraTS 2019 (Çiçek et al., MICCAI 2016; this form from SSL4MIS).

    5,884,050 parameters in 3D with 1 channel and 2 classes. Works in 2D too. Its normalization has neither weights nor running
    statistics; its convolutions start from Kaiming's normal distribution.

    Attributes:
        dropout: chance of an element to be dropped at the bottleneck and before the head, in training. Published: 0.3, URPC 0.
    """

    dropout: float = 0.3
    ups: ClassVar[tuple[Up, ...]] = ("linear", "transposed", "nearest")

    def encoder(self) -> Encoder:
        """(B, C, *S) -> 5 features, shallow to deep; the bottleneck has passed the dropout."""
        stages = [self._stage(i, o) for i, o in pairwise([self.channels, *self.widths])]
        downs = [self.layers.max_pool(2) for _ in stages[1:]]
        return Encoder(self.dimensions, stages, downs, Dropout(self.dropout))

    def decoder(self, up: Up, classes: int | None = None) -> Decoder:
        """5 features -> logits (B, K, *S); `features` has passed the dropout, the head is a 1 x 1 (x 1) convolution."""
        sizes = list(pairwise(self.widths[::-1]))
        ups = [self._up(i, up) for i, _ in sizes]
        stages = [self._stage(i + o, o) for i, o in sizes]
        head = self._convolution(self.width, classes or self.classes, 1)
        return Decoder(ups, stages, concatenate, Dropout(self.dropout), head)

    def _stage(self, inputs: int, outputs: int) -> Stage:
        return Stage(*self._unit(inputs, outputs), *self._unit(outputs, outputs))

    def _unit(self, inputs: int, outputs: int) -> Iterator[nn.Module]:
        yield self._convolution(inputs, outputs, 3)
        yield nn.GroupNorm(outputs, outputs, affine=False)  # a group a channel: InstanceNorm3d, which would not keep channels last
        yield nn.ReLU(inplace=True)

    def _convolution(self, inputs: int, outputs: int, kernel: int) -> nn.Module:
        convolution = self.layers.convolution(inputs, outputs, kernel, padding=kernel // 2)
        nn.init.kaiming_normal_(convolution.weight)
        return convolution

    def _up(self, channels: int, up: Up) -> nn.Module:
        if up == "transposed":
            return Stage(self.layers.transposed(channels, channels, 2, stride=2))
        if up == "nearest":
            return nn.Upsample(scale_factor=2, mode="nearest")
        return nn.Upsample(scale_factor=2, mode=self.layers.linear, align_corners=False)
