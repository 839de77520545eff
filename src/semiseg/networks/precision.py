"""Layers in a row, as a CPU computes them best: small grids in float32 under autocast, batch normalization folded in evaluation."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from semiseg.networks.folding import run_folded

SMALL_GRID = 512
"""Voxels (8 x 8 x 8) up to which a layer runs in float32 on a CPU under autocast.

Under bfloat16 autocast, PyTorch 2.13 on a CPU with AVX512-BF16 now and then returns a non-finite weight gradient of a convolution at a
tiny grid (measured: 128 -> 256 channels at 2 x 3 x 2 voxels). The limit leaves room above that and costs little: such grids are the
deepest of a network, a few percent of its work.
"""


class Stage(nn.Sequential):
    """Layers in a row; on a CPU, where their grid is small, without autocast, so in the precision of their weights (float32).

    Args:
        layers: run one after the other.
        stride: how many times smaller a side comes out than it goes in; the smallest grid within the stage is what counts.
    """

    def __init__(self, *layers: nn.Module, stride: int = 1) -> None:
        super().__init__(*layers)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or self._smallest_grid(x) > SMALL_GRID:
            return self._run(x)
        with torch.autocast("cpu", enabled=False):
            return self._run(x.to(self._weight_dtype()))

    def _smallest_grid(self, x: Tensor) -> int:
        return math.prod([side // self.stride for side in x.shape[2:]])

    def _weight_dtype(self) -> torch.dtype:
        """float32, unless the whole network was converted."""
        return next(self.parameters()).dtype

    def _run(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu" and not self.training and not torch.is_grad_enabled():
            return run_folded(self, x)  # an accelerator would have more to start than it saves
        for layer in self:
            x = layer(x)
        return x
