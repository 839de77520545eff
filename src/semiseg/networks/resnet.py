"""MCF's second network: a residual encoder of 34 layers that fits the decoders of the V-Net and the U-Net."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from semiseg.networks.description import Description
from semiseg.networks.encoder_decoder import Network, check_sides
from semiseg.networks.layers import LAYERS, Layers
from semiseg.networks.precision import Stage

BLOCKS = (3, 4, 6, 3)
"""Residual blocks a level below the first (ResNet-34; He et al., CVPR 2016)."""


class ResidualEncoder(nn.Module):
    """Features of an image at every level, as an `Encoder` gives them.

    A 7 x 7 (x 7) convolution at full size, then four levels of residual blocks, the first block of each halving the sides.

    Args:
        dimensions: of the image, 2 or 3.
        channels: C.
        widths: channels of each level, from shallow to deep.

    Source: Wang et al., CVPR 2023 (MCF), and its released code.
    """

    def __init__(self, dimensions: int, channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.dimensions = dimensions
        layers = LAYERS[dimensions]
        first = layers.convolution(channels, widths[0], 7, padding=3, bias=False)
        self.first = Stage(first, layers.norm(widths[0]), nn.ReLU(inplace=True))
        self.levels = nn.ModuleList(
            Stage(Residual(layers, i, o, stride=2), *(Residual(layers, o, o) for _ in range(blocks - 1)), stride=2)
            for (i, o), blocks in zip(pairwise(widths), BLOCKS, strict=True)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C, *S) -> features from shallow to deep, the i-th (B, widths[i], *S / 2**i).

        Raises:
            SettingsError: a side is not a multiple of 16, or there are too many or too few sides.
        """
        check_sides(x.shape[2:], self.dimensions)
        features = [self.first(x)]
        for level in self.levels:
            features.append(level(features[-1]))
        return features


class Residual(nn.Module):
    """Two convolutions beside a shortcut, which is a 1 x 1 (x 1) convolution where size or width change."""

    def __init__(self, layers: Layers, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            layers.convolution(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            layers.norm(outputs),
            nn.ReLU(inplace=True),
            layers.convolution(outputs, outputs, 3, padding=1, bias=False),
            layers.norm(outputs),
        )
        same = stride == 1 and inputs == outputs
        shortcut = (layers.convolution(inputs, outputs, 1, bias=False), layers.norm(outputs))
        self.shortcut = nn.Identity() if same else nn.Sequential(*shortcut)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, I, *S) -> (B, O, *S / stride)"""
        return nn.functional.relu(self.convolutions(x) + self.shortcut(self.every(x)))

    def every(self, x: Tensor) -> Tensor:
        """What the shortcut sees of `x`: every so many voxels along each axis, as a strided convolution of 1 x 1 would.

        Told so, oneDNN writes beyond its memory in the backward pass of under 16 channels on a CPU with AVX512 (seen with PyTorch 2.13).
        """
        return x[(slice(None), slice(None), *[slice(None, None, self.stride)] * (x.ndim - 2))]


def residual_network(description: Description) -> Network:
    """The residual encoder with the first decoder of a description; 17,930,354 parameters beside the V-Net of 1 channel and 2 classes."""
    encoder = ResidualEncoder(description.dimensions, description.channels, description.widths)
    return Network(encoder, description.decoder(description.ups[0]))


def initialize_kaiming(network: nn.Module) -> None:
    """Draw all convolutions' weights from a normal distribution by their fan-in (He et al., ICCV 2015), in place.

    MCF does so for both of its networks; biases keep PyTorch's initial values.
    """
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
            nn.init.kaiming_normal_(module.weight)
