"""The rows of a batch, shared out among processes and put together again, with gradients.

The rule for gradients: all processes compute the same loss from whole batches, and the mean of their gradients is that loss's. What all of
them compute in full needs nothing. What a process computes for its own rows alone gets their gradients times the number of processes, and
so the mean counts each row once.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable


@dataclass(frozen=True)
class Share:
    """One process's rows of a batch.

    Attributes:
        rows: of the whole batch, at least as many as there are processes.
        rank: of the process.
        world: how many there are.
    """

    rows: int
    rank: int
    world: int

    @property
    def sizes(self) -> list[int]:
        """Rows of each process; they differ by one at most."""
        ends = [rank * self.rows // self.world for rank in range(self.world + 1)]
        return [last - first for first, last in pairwise(ends)]

    @property
    def own(self) -> slice:
        """This process's rows."""
        return slice(self.rank * self.rows // self.world, (self.rank + 1) * self.rows // self.world)

    @property
    def count(self) -> int:
        """How many they are."""
        return self.sizes[self.rank]

    def take(self, whole: Tensor) -> Tensor:
        """This process's rows of a whole batch."""
        if whole.requires_grad and torch.is_grad_enabled():
            taken: Tensor = _Take.apply(whole, self)  # type: ignore[no-untyped-call]
            return taken
        return whole[self.own]

    def join(self, part: Tensor) -> Tensor:
        """The whole batch, from what each process has of it."""
        whole: Tensor = _Join.apply(part, self)  # type: ignore[no-untyped-call]
        return whole

    def collect(self, part: Tensor) -> Tensor:
        """`join` without a gradient. The result has channels last, whatever each process has: they could not tell each other."""
        dense = part.movedim(1, -1).contiguous() if part.ndim > 2 else part.contiguous()
        largest = max(self.sizes)
        if len(dense) < largest:
            dense = torch.cat([dense, dense.new_zeros((largest - len(dense), *dense.shape[1:]))])  # messages must be of one size
        everyone = dense.new_empty((self.world, *dense.shape))
        dist.all_gather(list(everyone), dense)
        even = self.rows == self.world * largest
        whole = everyone.flatten(0, 1) if even else torch.cat([rows[:size] for rows, size in zip(everyone, self.sizes, strict=True)])
        return whole.movedim(-1, 1) if part.ndim > 2 else whole


class _Take(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, whole: Tensor, share: Share) -> Tensor:
        ctx.share = share
        return whole[share.own].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.share.collect(gradient) / ctx.share.world, None


class _Join(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor, share: Share) -> Tensor:
        ctx.share = share
        return share.collect(part)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient[ctx.share.own] * ctx.share.world, None
