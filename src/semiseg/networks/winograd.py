"""Convolutions of 3 x 3 x 3 on a CPU with half the multiplications: Winograd's minimal filtering F(4, 3) along the first axis.

Four neighbouring slices of the result need six convolutions within slices, where the definition needs twelve. (Winograd, Arithmetic
Complexity of Computations, SIAM 1980; for networks Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016.)
The convolution along the axis is a product of polynomials: both are evaluated at 0, 1, -1, 2, -2 and infinity, multiplied there, and
the product's coefficients are read back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

Matrix = Sequence[Sequence[float]]

TILE = 4
"""Slices of the result that are computed together."""
INPUT = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
"""Six slices of the input, the first one before the tile and the last one behind it, to six points."""
FILTER = ((1 / 4, 0, 0), (-1 / 6, -1 / 6, -1 / 6), (-1 / 6, 1 / 6, -1 / 6), (1 / 24, 1 / 12, 1 / 6), (1 / 24, -1 / 12, 1 / 6), (0, 0, 1))
"""Three slices of the kernel to six points."""
OUTPUT = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
"""Six points to four slices of the result."""
ONE = 1
"""The point whose value goes into each of the four slices as it is: the bias is added there."""

VALUES = 2**22
"""Values of the input that are transformed together, if one sample has no more: little is added to the memory of a step."""


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The same numbers as `conv3d` with padding 1, up to rounding (in float32 1e-5 of the largest). Can be differentiated once.

    Args:
        x: (B, C, D, H, W), best in channels last; so is the result.
        weight: (O, C, 3, 3, 3).
        bias: (O,).
    """
    result: Tensor = _Convolution.apply(x, weight, bias)  # type: ignore[no-untyped-call]
    return result


class _Convolution(torch.autograd.Function):
    """(B, C, D, H, W), weight (O, C, 3, 3, 3), bias (O,) or None -> (B, O, D, H, W)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        kernels = kernels_at_points(weight)
        ctx.save_for_backward(x, kernels)
        tiles = in_tiles(x)
        result = tiles.new_empty(*tiles.shape[:-1], len(weight))
        together = samples(tiles)
        for part, into in zip(torch.split(tiles, together), torch.split(result, together), strict=True):
            points = inputs_at_points(part)
            products = points.new_empty(*points.shape[:-1], len(weight))
            for j, (point, kernel) in enumerate(zip(points, kernels, strict=True)):
                products[j] = channels_behind(F.conv2d(channels_first(point), kernel, bias if j == ONE else None, padding=1))
            from_points(OUTPUT, products, into)
        return out_of_tiles(result, x.shape[2])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        x, kernels = ctx.saved_tensors
        tiles, gradients = in_tiles(x), in_tiles(gradient)
        of_x, of_kernels, of_bias = torch.empty_like(tiles), torch.zeros_like(kernels), kernels.new_zeros(kernels.shape[1])
        together = samples(tiles)
        for part, above, into in zip(*(torch.split(t, together) for t in (tiles, gradients, of_x)), strict=True):
            points, products = inputs_at_points(part), to_points(_transposed(OUTPUT), above)
            for j, (point, product, kernel) in enumerate(zip(points, products, kernels, strict=True)):
                of_point, of_kernel, of_constant = convolution_backward(channels_first(product), channels_first(point), kernel, j == ONE)
                point.copy_(channels_behind(of_point))
                of_kernels[j] += of_kernel
                if j == ONE:
                    of_bias += of_constant
            inputs_from_points(points, into)
        return out_of_tiles(of_x, x.shape[2]), weight_from_points(of_kernels), of_bias if ctx.needs_input_grad[2] else None


def in_tiles(x: Tensor) -> Tensor:
    """(B, C, D, H, W) -> (B, D/4, 4, H, W, C), with empty slices at the end if D is not a multiple of 4. A view where it can be."""
    missing = -x.shape[2] % TILE
    slices = x.permute(0, 2, 3, 4, 1)
    slices = F.pad(slices, (0, 0) * 3 + (0, missing)) if missing else slices.contiguous()
    return slices.view(len(slices), -1, TILE, *slices.shape[2:])


def out_of_tiles(tiles: Tensor, depth: int) -> Tensor:
    """What `in_tiles` made, as (B, C, depth, H, W) again."""
    return tiles.flatten(1, 2)[:, :depth].contiguous().permute(0, 4, 1, 2, 3)


def samples(tiles: Tensor) -> int:
    """How many are transformed together."""
    return max(1, VALUES // tiles[0].numel())


def inputs_at_points(tiles: Tensor) -> Tensor:
    """(B, T, 4, H, W, C) -> (6, B * T, H, W, C), of each tile and its two neighbouring slices."""
    points = to_points([row[1:-1] for row in INPUT], tiles)
    of_tiles = points.view(len(points), *tiles.shape[:2], *tiles.shape[3:])
    of_tiles[0, :, 1:].add_(tiles[:, :-1, -1], alpha=INPUT[0][0])
    of_tiles[-1, :, :-1].add_(tiles[:, 1:, 0], alpha=INPUT[-1][-1])
    return points


def inputs_from_points(points: Tensor, into: Tensor) -> None:
    """The adjoint of `inputs_at_points`, for gradients."""
    from_points(_transposed([row[1:-1] for row in INPUT]), points, into)
    of_tiles = points.view(len(points), *into.shape[:2], *into.shape[3:])
    into[:, :-1, -1].add_(of_tiles[0, :, 1:], alpha=INPUT[0][0])
    into[:, 1:, 0].add_(of_tiles[-1, :, :-1], alpha=INPUT[-1][-1])


def to_points(matrix: Matrix, tiles: Tensor) -> Tensor:
    """`matrix` (6, 4) times the slices of each tile: (B, T, 4, H, W, C) -> (6, B * T, H, W, C)."""
    slices = tiles.flatten(0, 1)
    points = slices.new_empty(len(matrix), len(slices), *slices.shape[2:])
    factors = slices.new_tensor(matrix).expand(len(slices), -1, -1)
    torch.bmm(factors, slices.flatten(2), out=points.flatten(2).transpose(0, 1))
    return points


def from_points(matrix: Matrix, points: Tensor, into: Tensor) -> None:
    """`matrix` (4, 6) times the points of each tile: (6, B * T, H, W, C) -> `into` (B, T, 4, H, W, C)."""
    slices = into.flatten(0, 1).flatten(2)
    factors = points.new_tensor(matrix).expand(len(slices), -1, -1)
    torch.bmm(factors, points.flatten(2).transpose(0, 1), out=slices)


def kernels_at_points(weight: Tensor) -> Tensor:
    """(O, C, 3, 3, 3) -> (6, O, C, 3, 3), channels last."""
    slices = weight.permute(2, 0, 3, 4, 1)
    points = weight.new_tensor(FILTER) @ slices.flatten(1)
    return points.view(len(points), *slices.shape[1:]).permute(0, 1, 4, 2, 3)


def weight_from_points(kernels: Tensor) -> Tensor:
    """The adjoint of `kernels_at_points`, for gradients."""
    points = kernels.permute(0, 1, 3, 4, 2)
    slices = points.new_tensor(_transposed(FILTER)) @ points.flatten(1)
    return slices.view(len(slices), *points.shape[1:]).permute(1, 4, 0, 2, 3)


def convolution_backward(gradient: Tensor, x: Tensor, kernel: Tensor, bias: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Of a 3 x 3 convolution within slices: the gradients of its input, its kernel and, if it has one, its bias."""
    one = [1, 1]
    result: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        gradient, x, kernel, [len(kernel)], one, one, one, False, [0, 0], 1, [True, True, bias]
    )
    return result


def channels_first(slices: Tensor) -> Tensor:
    """(N, H, W, C) -> (N, C, H, W), a view."""
    return slices.permute(0, 3, 1, 2)


def channels_behind(slices: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, H, W, C), a view."""
    return slices.permute(0, 2, 3, 1)


def _transposed(matrix: Matrix) -> Matrix:
    return tuple(zip(*matrix, strict=True))
