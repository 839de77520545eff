"""Networks whose batches are shared out among processes: each runs its rows, all get the whole result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from semiseg.errors import TrainingError
from semiseg.functional.dropout import dropout
from semiseg.ranks.batch_norm import whole_batch_norm
from semiseg.ranks.group import Ranks
from semiseg.ranks.rows import Share


class Spread:
    """Shares out the rows of every call of some functions of networks; with one process it leaves them alone.

    A call with fewer rows than processes is computed in full by each of them, which is as right. So is a network within another one.

    Args:
        ranks: the processes.
        functions: (module, name of its function); of a call's tensors, those with as many rows as the first one are shared out, and all
            tensors of the result are put together.
        too_few: told the rows of the first call that has fewer than there are processes.
    """

    def __init__(
        self, ranks: Ranks, functions: Iterable[tuple[nn.Module, str]], too_few: Callable[[int], None] = lambda rows: None
    ) -> None:
        self.ranks, self.on = ranks, True
        self.too_few: Callable[[int], None] | None = too_few
        if ranks.world > 1:
            for module, name in functions:
                setattr(module, name, partial(self._run, getattr(module, name)))

    @contextmanager
    def off(self) -> Iterator[None]:
        """Within it this process computes all rows, and speaks to no other."""
        before, self.on = self.on, False
        try:
            yield
        finally:
            self.on = before

    def _run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        rows = next((len(tensor) for tensor in tensors_in([args, kwargs])), 0)
        if self.on and self.too_few is not None and 0 < rows < self.ranks.world:
            self.too_few(rows)
            self.too_few = None
        if not self.on or rows < self.ranks.world:
            return function(*args, **kwargs)
        share = Share(rows, self.ranks.rank, self.ranks.world)

        def take(tensor: Tensor) -> Tensor:
            return share.take(tensor) if tensor.ndim and len(tensor) == rows else tensor

        with self.off(), WholeBatch(share):
            result = function(*mapped(take, args), **mapped(take, kwargs))
        return mapped(partial(joined, share, function), result)


class WholeBatch(TorchFunctionMode):
    """Within it, functions that look beyond a row see the whole batch: batch normalization its statistics, dropout its random numbers."""

    def __init__(self, share: Share) -> None:
        super().__init__()
        self.share = share

    def __torch_function__(self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        if function is F.batch_norm:
            return whole_batch_norm(self.share, *args, **kwargs)
        if function in (F.dropout, dropout):
            return dropped(self.share, function, False, *args, **kwargs)
        if function in (F.dropout2d, F.dropout3d):
            return dropped(self.share, function, True, *args, **kwargs)
        return function(*args, **kwargs)


def dropped(
    share: Share, function: Callable[..., Tensor], channels: bool, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """A dropout function for this process's rows (B, C, *S) of a batch, out of the very random numbers that the whole batch would get.

    Args:
        channels: it drops whole channels.
    """
    if not training or p == 0 or len(x) != share.count:
        return function(x, p, training, inplace)
    if channels:
        ones = x.new_ones((share.rows, x.shape[1], *[1] * (x.ndim - 2)))
    else:
        row = torch.empty_like(x[:1])  # numbers are drawn in the order in which values lie in memory
        ones = row.new_empty_strided((share.rows, *row.shape[1:]), (row.numel(), *row.stride()[1:])).fill_(1)
    return x * function(ones, p, True)[share.own]


def joined(share: Share, function: Callable[..., Any], part: Tensor) -> Tensor:
    """The whole batch of one result.

    Raises:
        TrainingError: it has not as many rows as the network was given.
    """
    if not part.ndim or len(part) != share.count:
        raise TrainingError(
            f"{getattr(function, '__self__', function).__class__.__name__}: gave a tensor of shape {tuple(part.shape)} for {share.count} "
            "rows, so several processes cannot share its work. Leave it out of the method's `row_functions`."
        )
    return share.join(part)


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors with rows in nested lists, tuples and dicts, in order."""
    if isinstance(value, Tensor):
        if value.ndim:
            yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))


def mapped(function: Callable[[Tensor], Tensor], value: Any) -> Any:
    """The same lists, tuples and dicts with each tensor replaced by what the function makes of it."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, list | tuple):
        return type(value)(mapped(function, item) for item in value)
    if isinstance(value, dict):
        return {key: mapped(function, item) for key, item in value.items()}
    return value
