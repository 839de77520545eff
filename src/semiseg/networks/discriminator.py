"""The discriminator of SASSNet: it tells whether a shape was drawn with or without a label."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from semiseg.networks.layers import LAYERS, Layers
from semiseg.networks.precision import Stage

LEVELS = 4
"""Convolutions that each halve the sides; sides must be multiples of 2^4, as for the networks."""
WIDTH = 64
SLOPE = 0.2
DROPOUT = 0.5


class Discriminator(nn.Module):
    """Two logits (unlabelled, labelled) from an image and the signed distance maps that a network drew of it.

    Image and maps enter by a convolution each, which are summed; four strided convolutions without normalisation, a mean over all places,
    a linear layer. The released code pools 7 x 7 x 5 places, which is all that is left of its 112 x 112 x 80 patch; the mean over all
    places is the same there, and takes patches of other sizes and dimensions. 11,020,290 parameters in 3D with 1 channel and 2 classes.

    Args:
        dimensions: spatial, 2 or 3.
        channels: C of the image.
        maps: K - 1.
        width: channels of the first level.

    Source: Li et al., MICCAI 2020, and its released code.
    """

    def __init__(self, dimensions: int, channels: int, maps: int, width: int = WIDTH) -> None:
        super().__init__()
        layers = LAYERS[dimensions]
        widths = [width * 2**level for level in range(LEVELS)]
        self.image = halving(layers, channels, width)
        self.maps = halving(layers, maps, width)
        self.stages = nn.ModuleList(
            Stage(nn.LeakyReLU(SLOPE), layers.channel_dropout(DROPOUT), halving(layers, i, o), stride=2) for i, o in pairwise(widths)
        )
        self.head = nn.Sequential(nn.LeakyReLU(SLOPE), nn.Flatten(2))
        self.classify = nn.Linear(widths[-1], 2)

    def forward(self, maps: Tensor, image: Tensor) -> Tensor:
        """Maps (B, K - 1, *S) and image (B, C, *S) -> logits (B, 2)."""
        x = self.maps(maps) + self.image(image)  # (B, width, *S / 2)
        for stage in self.stages:
            x = stage(x)
        logits: Tensor = self.classify(self.head(x).mean(2))  # (B, width * 8, places) -> (B, 2)
        return logits


def halving(layers: Layers, inputs: int, outputs: int) -> nn.Module:
    """A convolution that halves every side."""
    return layers.convolution(inputs, outputs, 4, stride=2, padding=1)
