"""The layers that both networks are built from, for 2 and 3 spatial dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from semiseg.functional.dropout import dropout
from semiseg.networks.convolution3d import Convolution3d

Up = Literal["transposed", "linear", "nearest"]
"""How a decoder doubles the sides: transposed convolution, linear interpolation (corners aligned), or nearest neighbour."""


@dataclass(frozen=True)
class Layers:
    """PyTorch's layer classes for one number of spatial dimensions."""

    convolution: type[nn.Conv2d] | type[nn.Conv3d]
    transposed: type[nn.ConvTranspose2d] | type[nn.ConvTranspose3d]
    norm: type[nn.BatchNorm2d] | type[nn.BatchNorm3d]
    max_pool: type[nn.MaxPool2d] | type[nn.MaxPool3d]
    channel_dropout: type[nn.Dropout2d] | type[nn.Dropout3d]
    linear: Literal["bilinear", "trilinear"]


LAYERS = {
    2: Layers(nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.MaxPool2d, nn.Dropout2d, "bilinear"),
    3: Layers(Convolution3d, nn.ConvTranspose3d, nn.BatchNorm3d, nn.MaxPool3d, nn.Dropout3d, "trilinear"),
}
"""By the number of spatial dimensions."""


class Dropout(nn.Dropout):
    """Of single elements (see `functional.dropout`)."""

    def forward(self, x: Tensor) -> Tensor:
        return dropout(x, self.p, self.training, self.inplace)


def interpolation(dimensions: int, up: Literal["linear", "nearest"]) -> nn.Upsample:
    """Doubles every side, without parameters."""
    if up == "linear":
        return nn.Upsample(scale_factor=2, mode=LAYERS[dimensions].linear, align_corners=True)
    return nn.Upsample(scale_factor=2, mode="nearest")
