"""Progress and remaining time on stderr: a bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class StepProgress:
    """Shows steps done, a note (the loss) and the time that is left.

    Args:
        title: what is being done.
        total: number of steps.
        done: steps done before this sitting.
        show: False keeps silent.
        every: seconds between lines where there is no terminal.
    """

    def __init__(self, title: str, total: int, done: int = 0, show: bool = True, every: float = 30.0) -> None:
        self.title, self.total, self.first, self.show, self.every = title, total, done, show, every
        self.started = self.last_line = time.monotonic()
        console = Console(stderr=True)
        self.bar: Progress | None = None
        self.note = ""
        if show and console.is_terminal:
            columns = [
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[note]}"),
                TimeElapsedColumn(),
            ]
            self.bar = Progress(*columns, TextColumn("left"), TimeRemainingColumn(), console=console)
            self.task = self.bar.add_task(title, total=total, completed=done, note="")

    def update(self, done: int, note: str = "") -> None:
        if self.bar is not None:
            self.note = note or self.note
            self.bar.update(self.task, completed=done, note=self.note)
        elif self.show and time.monotonic() - self.last_line >= self.every:
            self.last_line = time.monotonic()
            seconds = (self.last_line - self.started) / max(done - self.first, 1)
            left = format_seconds(seconds * (self.total - done))
            say(f"{self.title}: {done}/{self.total} {note} {seconds:.2f} s each, about {left} left")

    def __enter__(self) -> StepProgress:
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.bar is not None:
            self.bar.stop()


def say(line: str) -> None:
    """One line to stderr, at once."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def format_seconds(seconds: float) -> str:
    """Seconds as people say them: 45 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
