"""One training of a grid in a process of its own: `python -m semiseg.benchmark.worker ORDER.json`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from semiseg.errors import SemisegError
from semiseg.lock import alone

FINISHED, FAILED, STOPPED = 0, 1, 3
"""What the process returns."""


def main(order: dict[str, Any]) -> int:
    """Train, or go on, until the end or a signal.

    Args:
        order: data (folder), values (settings), out (run folder), device, checkpoint_seconds.
    """
    from semiseg.training.train import train_or_resume

    out = Path(order["out"])
    with alone(out.with_name(f".{out.name}.lock"), out, wait=True):  # a worker whose grid was killed may still be saving there
        clear_unbegun(out)
        trained = train_or_resume(order["data"], order["values"], out, order["device"], checkpoint_seconds=order["checkpoint_seconds"])
    return FINISHED if trained.finished else STOPPED


def clear_unbegun(out: Path) -> None:
    """Remove a folder that a kill left without a run in it."""
    if out.is_dir() and not (out / "run.yaml").is_file():
        shutil.rmtree(out)


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
