"""The processes of one training, and the little that they say to each other beside the rows of batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from semiseg.errors import OtherProcessError, SettingsError
from semiseg.ranks.launch import Place, place

LONGEST_WAIT = timedelta(days=30)
"""For the first process, which prepares scans and scores cases. One that dies is noticed at once: its connections break."""
BACKENDS = {"cpu": "gloo", "cuda": "nccl"}
T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """The processes of one training, or the only one. All must call the same functions in the same order.

    Attributes:
        rank: of this process; the first, 0, writes all files.
        world: how many there are.
        control: over which they speak without their devices; None for one alone.
    """

    rank: int = 0
    world: int = 1
    control: Any = None

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def first(self, function: Callable[[], T]) -> T:
        """Call it on the first process alone; all get the result, which must be small and go through pickle.

        Raises:
            OtherProcessError: on the others, where it failed on the first.
        """
        result: T = self.tell(function, lambda value: value) if self.is_first else self.told()
        return result

    def tell(self, function: Callable[[], T], what: Callable[[T], Any]) -> T:
        """On the first process: call the function, tell the others `what` of its result or that it failed, and return it."""
        try:
            result = function()
        except BaseException as error:
            self._broadcast((None, str(error) or type(error).__name__))
            raise
        self._broadcast((what(result), None))
        return result

    def told(self) -> Any:
        """On the others: wait for what the first one has to `tell`.

        Raises:
            OtherProcessError: it failed.
        """
        result, failure = self._broadcast(None)
        if failure is not None:
            raise OtherProcessError(failure)
        return result

    def in_turn(self, function: Callable[[], T]) -> T:
        """Call it on the first process, and where that went well, on the others: what they all read, it has made by then."""
        if self.is_first:
            return self.tell(function, lambda _: None)
        self.told()
        return function()

    def one_says(self, flag: bool) -> bool:
        """Whether at least one process says so."""
        if self.world == 1:
            return flag
        said = torch.tensor([int(flag)])
        dist.all_reduce(said, dist.ReduceOp.MAX, group=self.control)  # on the host: no process waits for its device
        return bool(said.item())

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over all processes, as one message for each type."""
        if self.world == 1:
            return
        for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):
            some = [tensor for tensor in tensors if tensor.dtype == dtype]
            flat = torch.cat([tensor.flatten() for tensor in some])
            dist.all_reduce(flat)
            parts = torch.split(flat / self.world, [tensor.numel() for tensor in some])
            for tensor, part in zip(some, parts, strict=True):
                tensor.copy_(part.view(tensor.shape))

    def _broadcast(self, value: Any) -> Any:
        if self.world == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0, group=self.control)
        return values[0]


ALONE = Ranks()


def join(device: torch.device, at: Place | None = None) -> Ranks:
    """Meet the other processes, if there are any, and make this one's GPU the current one.

    Raises:
        SettingsError: the device cannot be shared, or there are more processes than GPUs on this machine.
    """
    at = at or place()
    if at.world == 1:
        return ALONE
    if device.type not in BACKENDS:
        raise SettingsError(f"device: {device.type} cannot take part in a training of several processes; expected cpu or cuda.")
    if device.type == "cuda":
        torch.cuda.set_device(own_gpu(at, torch.cuda.device_count()))
    dist.init_process_group(BACKENDS[device.type], at.address, rank=at.rank, world_size=at.world)
    return Ranks(at.rank, at.world, dist.new_group(backend="gloo", timeout=LONGEST_WAIT))


def own_gpu(at: Place, gpus: int) -> int:
    """The number of a process's GPU: its local rank, or 0 where it sees one GPU alone, as Slurm's `--gpus-per-task` has it.

    Raises:
        SettingsError: there is none for it.
    """
    if gpus > 1 and at.local_rank >= gpus:
        raise SettingsError(
            f"device: process {at.local_rank} of this machine finds {gpus} GPUs. Start as many processes as there are GPUs."
        )
    return at.local_rank if gpus > 1 else 0


def leave(ranks: Ranks) -> None:
    """The end, when all went well."""
    if ranks.world > 1:
        dist.destroy_process_group()
