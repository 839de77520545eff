"""Networks of nothing but PyTorch's own layers, as the released scripts have them."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from semiseg.networks.convolution3d import Convolution3d
from semiseg.networks.layers import Dropout
from semiseg.networks.precision import Stage

N = TypeVar("N", bound=nn.Module)


def plain(network: N) -> N:
    """The same network with channels first, without our ways to compute convolutions and dropout or to fold batch normalization."""
    for layer in network.modules():
        if isinstance(layer, Convolution3d):
            layer.__class__ = nn.Conv3d
        elif isinstance(layer, Stage):
            layer.__class__ = nn.Sequential
        elif isinstance(layer, Dropout):
            layer.__class__ = nn.Dropout
    return network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload, no-any-return]
