"""One process at a time on a folder, and what a killed one left there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from semiseg.errors import RunFolderError


@contextmanager
def alone(lock: Path, folder: Path, wait: bool = False) -> Iterator[None]:
    """Be the only one at work on a folder. Without effect where the system or the disk knows no locks (Windows, some of clusters).

    Args:
        lock: a file that stands for it; made if it is not there, and left. The lock goes with the process, however that ends.
        folder: for the message.
        wait: until the other one has stopped.

    Raises:
        RunFolderError: somebody else is at work, and `wait` is False.
    """
    if find_spec("fcntl") is None:
        yield
        return
    import fcntl

    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise RunFolderError(f"{folder}: another process is at work here. Wait for it, or choose another folder with --out.") from error
        except OSError:  # a disk without locks
            pass
        yield


def clear_leftovers(folder: Path) -> None:
    """Remove files that a killed process was writing: of `replacing`, and masks of `write_label`."""
    for half_written in (*folder.glob(".*.*.*"), *folder.glob("predictions*/.partial-*")):  # .state.pt.0f3a...
        half_written.unlink(missing_ok=True)
