"""Where trainings are run: an interface that the grid speaks to, and worker processes on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, Protocol

from semiseg.benchmark.training import Training
from semiseg.benchmark.worker import FINISHED, STOPPED

SECONDS = 60.0
"""Between two saved states at most; they are saved more often where that costs less than 2 % (`training.checkpoint.Saver`)."""
TOLD = 2000
"""Characters of an error that are kept."""


@dataclass(frozen=True)
class Result:
    """What became of a training that was started. `error`: its last words, where it failed."""

    training: Training
    status: Literal["finished", "stopped", "failed"]
    error: str = ""


class Executor(Protocol):
    """Starts trainings and tells what became of them, without waiting."""

    def room(self) -> bool:
        """Whether another one may be started."""

    def start(self, training: Training) -> None:
        """Begin with it, or go on with what its run folder holds."""

    def results(self) -> list[Result]:
        """Of the trainings that have ended since the last call."""

    def running(self) -> list[Training]:
        """Those that have begun and not ended."""

    def stop(self) -> None:
        """Ask all to stop after their step and to save; they end as "stopped"."""


@dataclass(frozen=True)
class Process:
    """A worker, and the file that its words go to, from `offset` on."""

    training: Training
    popen: subprocess.Popen[bytes]
    log: Path
    offset: int


class LocalProcesses:
    """A process for each training, so many at a time, sharing the cores of this machine.

    Args:
        out: folder of the results.
        jobs: trainings at a time.
        device: auto, cpu, cuda or mps.
    """

    def __init__(self, out: Path, jobs: int, device: str = "auto") -> None:
        self.out, self.jobs, self.device = out, jobs, device
        self.processes: list[Process] = []

    def room(self) -> bool:
        return len(self.processes) < self.jobs

    def start(self, training: Training) -> None:
        order, log = self._order(training), self.out / "logs" / f"{training.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as words:
            offset = words.tell()
            popen = self._popen(order, words)
        self.processes.append(Process(training, popen, log, offset))

    def _order(self, training: Training) -> Path:
        """What the worker reads."""
        path = self.out / "logs" / f"{training.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        order = {
            "data": str(training.folder),
            "values": training.values(),
            "out": str(self.out / training.name),
            "device": self.device,
            "checkpoint_seconds": SECONDS,
        }
        path.write_text(json.dumps(order, indent=2, default=str), encoding="utf-8")
        return path

    def _popen(self, order: Path, words: IO[bytes]) -> subprocess.Popen[bytes]:
        threads = str(max(cores() // self.jobs, 1))
        return subprocess.Popen(
            [sys.executable, "-m", "semiseg.benchmark.worker", str(order)],
            stdin=subprocess.PIPE,  # closes when we are gone, even by SIGKILL: then the worker saves and stops
            stdout=words,
            stderr=words,
            env={**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
            start_new_session=True,  # a Ctrl-C reaches the grid alone, which then asks the workers
        )

    def results(self) -> list[Result]:
        ended = [process for process in self.processes if process.popen.poll() is not None]
        self.processes = [process for process in self.processes if process not in ended]
        return [outcome(process) for process in ended]

    def running(self) -> list[Training]:
        return [process.training for process in self.processes]

    def stop(self) -> None:
        for process in self.processes:
            process.popen.terminate()


def outcome(process: Process) -> Result:
    """What the return code and the last words of a worker say."""
    if process.popen.stdin is not None:
        process.popen.stdin.close()
    code = process.popen.returncode
    if code == FINISHED:
        return Result(process.training, "finished")
    if code in (STOPPED, -signal.SIGTERM):  # the latter: asked before its first step, or while it scored
        return Result(process.training, "stopped")
    words = process.log.read_bytes()[process.offset :].decode("utf-8", "replace").strip()
    if code < 0:
        return Result(process.training, "failed", f"ended by {signal.Signals(-code).name}")
    return Result(process.training, "failed", last_words(words))


def last_words(text: str) -> str:
    """Of a traceback its last line, else the last lines."""
    if "Traceback (most recent call last)" in text:
        return text.splitlines()[-1][-TOLD:]
    lines = text.splitlines()
    return "\n".join(lines[-5:])[-TOLD:]


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_executor(out: Path, jobs: int, device: str = "auto") -> Executor:
    """The executor of a grid: here another kind is chosen, such as a cluster."""
    return LocalProcesses(out, jobs, device)


def wait(seconds: float = 0.1) -> None:
    """Between two looks at the workers."""
    time.sleep(seconds)
