"""A batch of one through a 3D convolution on a CPU: PyTorch has a slow way for small ones, which two halves do not go."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

LARGE = 20480
"""Channels x the first two sides; above, PyTorch hands a batch of one to oneDNN, too, as it does with any larger batch
(`use_mkldnn` in its Convolution.cpp). Measured below, forward and backward: 2 to 5 times as long as oneDNN."""


def is_slow(x: Tensor) -> bool:
    """Whether PyTorch would not hand `x` (B, C, D, H, W) to oneDNN."""
    return len(x) == 1 and math.prod(x.shape[1:4]) <= LARGE


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int = 1, padding: int = 1) -> Tensor:
    """The same numbers as `conv3d`, up to rounding, in channels last.

    Args:
        x: (1, C, D, H, W), best in channels last.
        weight: (O, C, k, k, k).
        bias: (O,).
        stride, padding: along each axis.
    """
    depth, kernel = x.shape[2], weight.shape[2]
    slices = (depth + 2 * padding - kernel) // stride + 1
    half = -(-slices // 2)
    second, needed = half * stride, (half - 1) * stride + kernel
    padded = F.pad(x, (0, 0, 0, 0, padding, second + needed - depth - padding))
    halves = torch.cat([padded[:, :, :needed], padded[:, :, second:]]).contiguous(memory_format=torch.channels_last_3d)
    result = F.conv3d(halves, weight, bias, stride, (0, padding, padding))
    return torch.cat([result[:1], result[1:]], dim=2)[:, :, :slices].contiguous(memory_format=torch.channels_last_3d)
