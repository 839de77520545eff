"""The 3D convolution of all networks: PyTorch's own, and on a CPU ways with fewer multiplications or copies where they are faster."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from semiseg.networks import pointwise, winograd

CHANNELS = 8
"""From so many channels on, in and out, the transforms of Winograd's way cost less than they save."""
VOXELS = 256
"""From so many voxels a batch on, the transform of the kernel does."""
MULTIPLICATIONS = 10**8
"""From so many on, the start of some twenty operations instead of one does."""


class Convolution3d(nn.Conv3d):
    """`nn.Conv3d` with the same weights by the same names, and the same results up to rounding (1e-5 of the largest).

    In float32 on a CPU, channels last: with kernel 3, stride 1 and padding 1 `winograd`, where the grid is not small; with kernel 1
    `pointwise`. Both can be differentiated once. Anywhere else (accelerators, autocast, float64) it is `nn.Conv3d`.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, D, H, W) -> (B, O, D', H', W')"""
        if self._is_dense(1, padding=0) and _on_cpu(x):
            return pointwise.convolution(x, self.weight, self.bias)
        if self._is_dense(3, padding=1) and _on_cpu(x) and self._saves(x):
            return winograd.convolution(x, self.weight, self.bias)
        return super().forward(x)

    def _is_dense(self, kernel: int, padding: int) -> bool:
        """Every voxel gets a sum over a cube around it, of all channels; what lies outside counts as 0."""
        form = (self.kernel_size, self.padding, self.stride, self.dilation)
        return form == ((kernel,) * 3, (padding,) * 3, (1, 1, 1), (1, 1, 1)) and self.groups == 1 and self.padding_mode == "zeros"

    def _saves(self, x: Tensor) -> bool:
        voxels = x.numel() // self.in_channels
        large = x.shape[2] >= winograd.TILE and voxels >= VOXELS and voxels * self.weight.numel() >= MULTIPLICATIONS
        return large and min(self.in_channels, self.out_channels) >= CHANNELS


def _on_cpu(x: Tensor) -> bool:
    """In a form for which the ways of our own are made."""
    plain = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return plain and x.ndim == 5 and x.is_contiguous(memory_format=torch.channels_last_3d)
