"""Workers that predict scans on the machines of a Ray cluster, an actor each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from semiseg.cluster import Share, import_ray
from semiseg.errors import SemisegError
from semiseg.inference.crew import Died, Done, HandingOut, Ready
from semiseg.inference.masks import Order, PredictedFile
from semiseg.inference.predictor import Maps
from semiseg.inference.worker import Model, ScanWorker


class RayCrew:
    """A place where scans are predicted.

    Args:
        model: in folders that all machines see; so are the scans, and the folder of the masks.
        size: workers at a time.
        share: what each takes of a machine.
        device: auto, cpu, cuda or mps.
        maps: what to keep beside the masks.
    """

    hands = 2  # one is read or written while the other is predicted

    def __init__(self, model: Model, size: int, share: Share, device: str = "auto", maps: Maps | None = None) -> None:
        self.ray = import_ray()
        self.size, self.arguments = size, (model.absolute(), device, maps)
        self.actor = self.ray.remote(ScanWorker).options(max_concurrency=self.hands, **share.options())
        self.actors: dict[int, Any] = {}
        self.begun = 0
        self.calls: dict[Any, tuple[int, int | None]] = {}
        """What is awaited -> the worker, and the number of its order; None: that it has loaded its model."""

    def predicted(self, orders: Sequence[Order]) -> Iterator[tuple[int, PredictedFile]]:
        yield from HandingOut(self, [order.absolute() for order in orders])
        self.actors.clear()  # Ray ends an actor that nobody knows
        self.calls.clear()

    def begin(self) -> None:
        self.begun += 1
        actor = self.actors[self.begun] = self.actor.remote(*self.arguments)
        self.calls[actor.load.remote()] = (self.begun, None)

    def give(self, worker: int, number: int, order: Order) -> None:
        self.calls[self.actors[worker].predict.remote(order)] = (worker, number)

    def heard(self) -> Ready | Done | Died:
        (call, *_), _ = self.ray.wait(list(self.calls), num_returns=1)
        worker, number = self.calls.pop(call)
        try:
            result = self.ray.get(call)
        except self.ray.exceptions.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, SemisegError) else error) from error
        except self.ray.exceptions.RayError:
            self.calls = {other: whose for other, whose in self.calls.items() if whose[0] != worker}
            del self.actors[worker]
            return Died(worker)
        return Ready(worker) if number is None else Done(worker, number, result)
