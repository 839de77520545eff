"""The worker process of one training: begun with an order, asked to stop, and what became of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from semiseg.benchmark.training import Training, finished
from semiseg.benchmark.worker import FINISHED, STOPPED
from semiseg.run_folder import RunFolder

SECONDS = 60.0
"""Between two saved states at most; they are saved more often where that costs less than 2 % (`training.checkpoint.Saver`)."""
TOLD = 2000
"""Characters of an error that are kept."""

Ending = Literal["finished", "stopped", "failed"]


@dataclass(frozen=True)
class Result:
    """What became of a training that was started. `error`: its last words, where it failed."""

    training: Training
    status: Ending
    error: str = ""


@dataclass(frozen=True)
class Process:
    """A worker, its run folder, and the file that its words go to, from `offset` on."""

    popen: subprocess.Popen[bytes]
    folder: RunFolder
    log: Path
    offset: int

    def running(self) -> bool:
        return self.popen.poll() is None

    def stop(self) -> None:
        """Ask it to stop after its step and to save."""
        self.popen.terminate()

    def outcome(self) -> tuple[Ending, str]:
        """What the return code and the last words of a worker say; waits for its end."""
        code = self.popen.wait()
        if self.popen.stdin is not None:
            self.popen.stdin.close()
        if code == FINISHED:  # so it reads too where an interrupt struck while the code was fetched
            return end_of(self.folder), ""
        if code in (STOPPED, -signal.SIGTERM):  # the latter: asked before its first step, or while it scored
            return "stopped", ""
        if code < 0:
            return "failed", f"ended by {signal.Signals(-code).name}"
        return "failed", last_words(self.log.read_bytes()[self.offset :].decode("utf-8", "replace").strip())


def end_of(folder: RunFolder) -> Ending:
    """What the folder of a training that ended without an error says of it."""
    return "finished" if finished(folder) else "stopped"


def order_of(training: Training, out: Path, device: str) -> dict[str, Any]:
    """What a worker reads. `out`: folder of the results."""
    return {
        "data": str(training.folder),
        "values": training.values(),
        "out": str(out / training.name),
        "device": device,
        "checkpoint_seconds": SECONDS,
    }


def begin(order: Mapping[str, Any], logs: Path, name: str, threads: int) -> Process:
    """Start a worker.

    Args:
        order: of `order_of`.
        logs: folder of NAME.json, the order, and NAME.log, which a worker that goes on writes on.
        name: of the training.
        threads: of its computations.
    """
    path, log = logs / f"{name}.json", logs / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(order, indent=2, default=str), encoding="utf-8")
    with log.open("ab") as words:
        offset = words.tell()
        popen = subprocess.Popen(
            [sys.executable, "-m", "semiseg.benchmark.worker", str(path)],
            stdin=subprocess.PIPE,  # closes when we are gone, even by SIGKILL: then the worker saves and stops
            stdout=words,
            stderr=words,
            env={**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)},
            start_new_session=True,  # a Ctrl-C reaches the grid alone, which then asks the workers
        )
    return Process(popen, RunFolder(Path(order["out"])), log, offset)


def last_words(text: str) -> str:
    """Of a traceback its last line, else the last lines."""
    if "Traceback (most recent call last)" in text:
        return text.splitlines()[-1][-TOLD:]
    lines = text.splitlines()
    return "\n".join(lines[-5:])[-TOLD:]
