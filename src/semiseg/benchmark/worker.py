"""One training of a grid in a process of its own: `python -m semiseg.benchmark.worker ORDER.json`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from semiseg.errors import RunFolderError, SemisegError

FINISHED, FAILED, STOPPED = 0, 1, 3
"""What the process returns."""


def main(order: dict[str, Any]) -> int:
    """Train, or go on, until the end or a signal.

    Args:
        order: data (folder), values (settings), out (run folder), device, checkpoint_seconds.
    """
    from semiseg.training.train import train_or_resume

    out = Path(order["out"])
    with alone(out):
        clear_leftovers(out)
        trained = train_or_resume(order["data"], order["values"], out, order["device"], checkpoint_seconds=order["checkpoint_seconds"])
    return FINISHED if trained.finished else STOPPED


@contextmanager
def alone(folder: Path, wait: bool = True) -> Iterator[None]:
    """Be the only one at work on a folder; a worker whose grid was killed may still be saving there.

    Args:
        folder: its lock lies beside it.
        wait: until the other one has stopped.

    Raises:
        RunFolderError: somebody else is at work, and `wait` is False.
    """
    if find_spec("fcntl") is None:  # Windows
        yield
        return
    import fcntl

    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise RunFolderError(
                f"{folder}: another benchmark is at work here. Wait for it, or choose another folder with --out."
            ) from error
        yield


def clear_leftovers(out: Path) -> None:
    """What a kill left: files that were being written, and a folder that has no run in it yet."""
    if out.is_dir() and not (out / "run.yaml").is_file():
        shutil.rmtree(out)
    for half_written in out.glob(".*.*.*"):  # of `replacing`: .state.pt.xyz
        half_written.unlink()


def stop_with_parent() -> None:
    """When the grid is gone, which closes our standard input, stop as at a signal: after the step, with a saved state."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    stop_with_parent()
    try:
        code = main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    except SemisegError as error:
        sys.stderr.write(f"{error}\n")
        code = FAILED
    sys.exit(code)
