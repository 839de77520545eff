"""Hands scans out to workers as these get done, and again where a worker is killed: a scan that kills its workers loses no other one."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from semiseg.errors import SettingsError
from semiseg.inference.masks import Order, PredictedFile

TRIES = 3
"""Killed workers after which a scan is given up. From the second on it is the only one in its worker's hands."""


@dataclass(frozen=True)
class Ready:
    """A worker has loaded its model."""

    worker: int


@dataclass(frozen=True)
class Done:
    """A worker has done with an order."""

    worker: int
    number: int
    result: PredictedFile


@dataclass(frozen=True)
class Died:
    """A worker was killed; what was in its hands is not done."""

    worker: int


class Crew(Protocol):
    """Workers, each known by a number."""

    size: int
    hands: int
    """Orders that a worker takes at a time."""

    def begin(self) -> None:
        """One more worker, which will be heard of as Ready or as Died."""

    def give(self, worker: int, number: int, order: Order) -> None:
        """An order, to a worker that is ready."""

    def heard(self) -> Ready | Done | Died:
        """What happens next; waits for it.

        Raises:
            SemisegError: the model cannot be loaded.
        """


class HandingOut:
    """The orders that wait, and those in the hands of workers."""

    def __init__(self, crew: Crew, orders: Sequence[Order]) -> None:
        self.crew, self.orders = crew, orders
        self.waiting, self.suspects = deque(range(len(orders))), deque[int]()
        self.held: dict[int, list[int]] = {}
        self.killed, self.stillborn = Counter[int](), 0

    def __iter__(self) -> Iterator[tuple[int, PredictedFile]]:
        """The number of each order and what became of it."""
        for _ in range(min(self.crew.size, len(self.orders))):
            self.crew.begin()
        left = len(self.orders)
        while left:
            for number, result in self._after(self.crew.heard()):
                left -= 1
                yield number, result
            self._fill()

    def _after(self, heard: Ready | Done | Died) -> Iterator[tuple[int, PredictedFile]]:
        match heard:
            case Ready(worker):
                self.held[worker] = []
            case Done(worker, number, result):
                self.held[worker].remove(number)
                yield number, result
            case Died(worker):
                yield from self._lost(self.held.pop(worker, None))
                self.crew.begin()

    def _lost(self, numbers: list[int] | None) -> Iterator[tuple[int, PredictedFile]]:
        """Those that are given up; the others will be tried again, each alone.

        Raises:
            SettingsError: workers die before they are ready.
        """
        if numbers is None:
            self.stillborn += 1
            if self.stillborn > TRIES * self.crew.size:
                raise SettingsError("Workers are killed while they load the model: out of memory? Use fewer --jobs.")
        for number in numbers or ():
            self.killed[number] += 1
            if self.killed[number] < TRIES:
                self.suspects.append(number)
            else:
                order, said = self.orders[number], f"its worker was killed {TRIES} times: out of memory?"
                yield number, PredictedFile(order.source, order.mask, "failed", message=said)

    def _fill(self) -> None:
        """Give every worker what it can take; suspects last, and alone."""
        for worker, held in self.held.items():
            while self.waiting and len(held) < self.crew.hands:
                self._give(worker, self.waiting.popleft())
            if self.suspects and not held:
                self._give(worker, self.suspects.popleft())

    def _give(self, worker: int, number: int) -> None:
        self.held[worker].append(number)
        self.crew.give(worker, number, self.orders[number])
