"""When a training stops before its last step: a signal, or the time that it was given."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any


class StopRequest:
    """Inside its `with`, SIGTERM and SIGINT ask for a stop after the current step instead of killing; a second SIGINT kills.

    Args:
        max_seconds: stop after this many seconds; None for no limit.
    """

    def __init__(self, max_seconds: float | None = None) -> None:
        self.deadline = None if max_seconds is None else time.monotonic() + max_seconds
        self.signal: str | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def reason(self) -> str | None:
        """Why to stop now, in words, or None to go on."""
        if self.signal is not None:
            return f"got {self.signal}"
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return "the time that it was given is over"
        return None

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number).name
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
