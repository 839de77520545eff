"""Convolutions of 1 x 1 x 1 on a CPU as products of matrices: in 3D, PyTorch has only a slow way for them, with copies."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The same numbers as `conv3d`, up to rounding. Can be differentiated once.

    Args:
        x: (B, C, *S), best in channels last; so is its gradient, while the result is in channels first, as classes are compared.
        weight: (O, C, 1, 1, 1).
        bias: (O,).
    """
    result: Tensor = _Convolution.apply(x, weight, bias)  # type: ignore[no-untyped-call]
    return result


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        shift = weight.new_zeros(1) if bias is None else bias.view(1, -1, 1)
        factors = weight.flatten(1).expand(len(x), -1, -1)
        return torch.baddbmm(shift, factors, voxels(x).transpose(1, 2)).view(len(x), len(weight), *x.shape[2:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        x, weight = ctx.saved_tensors
        above = gradient.flatten(2)  # (B, O, voxels)
        factors = weight.flatten(1).expand(len(x), -1, -1)
        of_x = torch.bmm(above.transpose(1, 2), factors).view(len(x), *x.shape[2:], -1).movedim(-1, 1)
        of_weight = torch.bmm(above, voxels(x)).sum(0).view_as(weight)
        return of_x, of_weight, above.sum((0, 2)) if ctx.needs_input_grad[2] else None


def voxels(x: Tensor) -> Tensor:
    """(B, C, *S) -> (B, voxels, C), a view of what is in channels last."""
    return x.movedim(1, -1).flatten(1, -2)
