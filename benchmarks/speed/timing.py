"""Runs the plain way and semiseg's in turns, in one process, and keeps the medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

T = TypeVar("T")


@dataclass(frozen=True)
class Setting:
    """What a part is measured with.

    Attributes:
        data: folder that holds LA/ and ACDC/.
        repeats: turns of both ways.
        device: of both ways.
    """

    data: Path
    repeats: int
    device: torch.device


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        part: what was done.
        unit: of `plain` and `ours`.
        plain, ours: medians.
        ratio: how many times faster ours is.
        target: what the ratio should be at least; None where nobody asked for any.
        difference: the largest one between the two results, in words.
        note: what else there is to say.
    """

    part: str
    unit: str
    plain: float
    ours: float
    ratio: float
    target: float | None
    difference: str
    note: str = ""


def seconds(do: Callable[[], T]) -> tuple[float, T]:
    """How long `do` takes, and what it gives."""
    began = time.perf_counter()
    result = do()
    return time.perf_counter() - began, result


def in_turns(plain: Callable[[], object], ours: Callable[[], object], repeats: int, warm: bool = True) -> tuple[float, float]:
    """Median seconds of both, run one after the other `repeats` times, so that a busy moment of the machine falls on both.

    Args:
        warm: once before it counts.
    """
    if warm:
        plain()
        ours()
    pairs = [(seconds(plain)[0], seconds(ours)[0]) for _ in range(repeats)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)
