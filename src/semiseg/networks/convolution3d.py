"""The 3D convolution of all networks: PyTorch's own, and on a CPU ways with fewer multiplications or copies where they are faster."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from semiseg.networks import pointwise, single_sample, winograd

CHANNELS = 8
"""From so many channels on, in and out, the transforms of Winograd's way cost less than they save."""


@dataclass(frozen=True)
class Size:
    """Of a convolution, from which on Winograd's way is the faster one, as measured (`benchmarks/speed/convolutions.py`).

    Attributes:
        pairs: channels in times channels out.
        voxels: a batch; fewer do not pay for the transform of the kernel.
        multiplications: by the definition; fewer do not pay for the start of some twenty operations instead of one.
    """

    pairs: int
    voxels: int
    multiplications: int


SMALLEST = {"AVX512": Size(512, 1024, 5 * 10**8)}
"""By what PyTorch calls the capability of a CPU: with AVX512 it has kernels of twice the speed, gradients of weights included."""
SMALLEST_ELSEWHERE = Size(CHANNELS**2, 256, 10**8)
"""Measured with AVX2."""


class Convolution3d(nn.Conv3d):
    """`nn.Conv3d` with the same weights by the same names, and the same results up to rounding (1e-5 of the largest).

    In float32 on a CPU, `single_sample` for a small batch of one and, channels last, `pointwise` with kernel 1 and `winograd` with kernel
    3, stride 1 and padding 1 where the grid is not small; the latter two can be differentiated once. Anywhere else (accelerators,
    autocast, float64) it is `nn.Conv3d`.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, D, H, W) -> (B, O, D', H', W')"""
        on_cpu = x.device.type == "cpu" and x.dtype == torch.float32 and x.ndim == 5 and not torch.is_autocast_enabled("cpu")
        if not on_cpu or not self._is_cube():
            return super().forward(x)
        kernel, stride, padding = self.kernel_size[0], self.stride[0], int(self.padding[0])
        if x.is_contiguous(memory_format=torch.channels_last_3d):
            if (kernel, stride, padding) == (1, 1, 0):
                return pointwise.convolution(x, self.weight, self.bias)
            if (kernel, stride, padding) == (3, 1, 1) and self._saves(x):
                return winograd.convolution(x, self.weight, self.bias)
        if single_sample.is_slow(x):
            return single_sample.convolution(x, self.weight, self.bias, stride, padding)
        return super().forward(x)

    def _is_cube(self) -> bool:
        """Alike along all axes, of all channels; what lies outside counts as 0."""
        alike = all(len(set(sizes)) == 1 for sizes in (self.kernel_size, self.stride, self.padding))
        return alike and self.dilation == (1, 1, 1) and self.groups == 1 and self.padding_mode == "zeros"

    def _saves(self, x: Tensor) -> bool:
        voxels, smallest = x.numel() // self.in_channels, SMALLEST.get(torch.backends.cpu.get_cpu_capability(), SMALLEST_ELSEWHERE)
        large = voxels >= smallest.voxels and voxels * self.weight.numel() >= smallest.multiplications
        wide = self.in_channels * self.out_channels >= smallest.pairs and min(self.in_channels, self.out_channels) >= CHANNELS
        return large and wide and x.shape[2] >= winograd.TILE
