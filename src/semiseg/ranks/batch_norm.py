"""Batch normalization whose statistics are those of the whole batch, of which each process has some rows.

PyTorch's own (`nn.SyncBatchNorm`) refuses a CPU, and replaces modules.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from semiseg.ranks.rows import Share


def whole_batch_norm(
    share: Share,
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`F.batch_norm` of the whole batch, given this process's rows of it (B, C, *S) and giving the same rows.

    Args:
        share: of the rows in the batch.
    """
    if not training:
        return F.batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    mean, variance, count = statistics(x.detach(), share)
    if running_mean is not None and running_var is not None:
        # as PyTorch keeps them: unbiased, and `.data`, as a pass that was not shared out holds them for its backward pass
        running_mean.data.lerp_(mean.to(running_mean.dtype), momentum)
        running_var.data.lerp_((variance * (count / (count - 1))).to(running_var.dtype), momentum)
    weight = torch.ones_like(mean) if weight is None else weight
    bias = torch.zeros_like(mean) if bias is None else bias
    normalized: Tensor = _Normalize.apply(x, weight, bias, mean, variance, eps, count)  # type: ignore[no-untyped-call]
    return normalized


def statistics(x: Tensor, share: Share) -> tuple[Tensor, Tensor, int]:
    """Mean (C,) and biased variance (C,) of each channel over the whole batch, in float32 at least, and how many values a channel has.

    Each process's own are put together (Chan et al., 1979), which loses no digits where a mean is large; sums of squares would.
    """
    wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    variance, mean = torch.var_mean(wide, (0, *range(2, x.ndim)), correction=0)
    own = torch.stack([variance, mean, torch.full_like(mean, share.count / share.rows)])  # (3, C)
    everyone = own.new_empty((share.world, *own.shape))
    dist.all_gather(list(everyone), own)
    variances, means, weights = everyone.unbind(1)  # (world, C) each
    mean = (weights * means).sum(0)
    variance = (weights * (variances + (means - mean).square())).sum(0)
    return mean, variance, x.numel() // x.shape[1] // share.count * share.rows


class _Normalize(torch.autograd.Function):
    """With statistics that depend on the whole batch: values are scaled and shifted, and so are gradients, out of two sums a channel."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, eps: float, count: int) -> Tensor:
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.eps, ctx.count = eps, count
        return F.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, variance = ctx.saved_tensors
        # as if the statistics were constants; the sums over this process's rows are the gradients of weight and bias
        scaled, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        sums = torch.stack([of_weight, of_bias])
        dist.all_reduce(sums)
        slope, offset = sums / ctx.count  # means over the whole batch of gradient x normalized value, and of gradient
        deviation = torch.rsqrt(variance + ctx.eps)
        slope = weight * deviation.square() * slope
        offset = weight * deviation * offset - slope * mean
        channels = (1, -1, *[1] * (x.ndim - 2))
        scaled = scaled.addcmul_(x, -slope.view(channels)).sub_(offset.view(channels))
        return scaled, of_weight, of_bias, None, None, None, None
