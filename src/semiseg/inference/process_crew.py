"""Workers that predict scans in processes of this machine."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import torch

from semiseg.errors import SemisegError
from semiseg.inference.crew import Died, Done, HandingOut, Ready
from semiseg.inference.masks import Order, PredictedFile
from semiseg.inference.predictor import Maps
from semiseg.inference.worker import Model, ScanWorker


class ProcessCrew:
    """A place where scans are predicted.

    Args:
        model: in run folders.
        size: processes, which share the cores.
        device: auto, cpu, cuda or mps.
        maps: what to keep beside the masks.
    """

    hands = 1

    def __init__(self, model: Model, size: int, device: str = "auto", maps: Maps | None = None) -> None:
        self.size, self.arguments = size, (model, device, maps)
        self.threads = max(torch.get_num_threads() // size, 1)
        self.begun = 0
        self.processes: dict[int, tuple[BaseProcess, Connection]] = {}

    def predicted(self, orders: Sequence[Order]) -> Iterator[tuple[int, PredictedFile]]:
        try:
            yield from HandingOut(self, orders)
        finally:
            for process, line in self.processes.values():
                line.close()  # then it ends
                process.terminate()
                process.join()
            self.processes.clear()

    def begin(self) -> None:
        self.begun += 1
        context = multiprocessing.get_context("spawn")  # a forked process cannot use CUDA
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, self.threads, *self.arguments), daemon=True)
        process.start()
        theirs.close()
        self.processes[self.begun] = (process, ours)

    def give(self, worker: int, number: int, order: Order) -> None:
        with suppress(OSError):  # it died: that will be heard
            self.processes[worker][1].send((number, order))

    def heard(self) -> Ready | Done | Died:
        lines = {line: worker for worker, (_, line) in self.processes.items()}
        line = next(line for line in wait(list(lines)) if isinstance(line, Connection))
        worker = lines[line]
        try:
            said = line.recv()
        except (EOFError, ConnectionError):
            self.processes.pop(worker)[0].join()
            line.close()
            return Died(worker)
        if isinstance(said, SemisegError):
            raise said
        return Ready(worker) if said is None else Done(worker, *said)


def serve(line: Connection, threads: int, model: Model, device: str, maps: Maps | None) -> None:
    """Answer orders until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the one who gives orders
    torch.set_num_threads(threads)
    worker = ScanWorker(model, device, maps)
    try:
        worker.load()
    except SemisegError as error:
        line.send(error)
        return
    line.send(None)
    while True:
        try:
            number, order = line.recv()
        except EOFError:
            return
        line.send((number, worker.predict(order)))
