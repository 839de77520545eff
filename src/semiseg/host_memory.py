"""Lets a process that computes on a CPU keep what it frees for what it needs next.

glibc gives each block above 32 MiB back to the system, which clears it page by page when it is asked for again: filling a new tensor of
100 MiB then takes six times as long, a step of training a tenth longer, and windows of a scan twice as long.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Options of glibc's mallopt, from malloc.h."""
KEPT = {TRIM_THRESHOLD: 2**31 - 1, MMAP_THRESHOLD: 2**31 - 1}
"""Without limits."""
USUAL = {TRIM_THRESHOLD: 2**26, MMAP_THRESHOLD: 2**25}
"""What glibc comes to by itself in a process with large blocks."""
_holders = [0]


@contextmanager
def freed_memory_kept(device: torch.device) -> Iterator[None]:
    """Within it this process stays as large as it was at its peak, if `device` is the CPU and its C library can be told so.

    Behind it the memory goes back to the system. May be nested: the outermost counts.
    """
    if device.type != "cpu":
        yield
        return
    keep_freed_memory()
    _holders[0] += 1
    try:
        yield
    finally:
        _holders[0] -= 1
        if not _holders[0]:
            give_back_freed_memory()


def keep_freed_memory() -> bool:
    """From now on; whether the C library could be told."""
    return _set(KEPT)


def give_back_freed_memory(now: bool = True) -> bool:
    """What is freed from now on and, with `now`, what was before; whether the C library could be told."""
    library = _library()
    if library is not None and now:
        library.malloc_trim(0)
    return _set(USUAL)


def _set(options: dict[int, int]) -> bool:
    library = _library()
    return library is not None and all(bool(library.mallopt(option, value)) for option, value in options.items())


def _library() -> ctypes.CDLL | None:
    """The C library, if it is glibc."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return library if library is not None and hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
