"""Runs a grid: what is missing is trained, what was cut goes on, what failed is tried again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from semiseg.benchmark.estimate import estimate
from semiseg.benchmark.executor import Executor, wait
from semiseg.benchmark.process import Result
from semiseg.benchmark.state import State
from semiseg.benchmark.training import Training
from semiseg.config import Run
from semiseg.lock import alone
from semiseg.training.limits import StopRequest
from semiseg.training.progress import format_seconds, say
from semiseg.writable import refuse_unwritable

EVERY = 30.0
"""Seconds between two lines of progress."""


def run_grid(
    trainings: Sequence[Training],
    runs: Mapping[str, Run],
    out: Path,
    executor: Executor,
    max_seconds: float | None = None,
    retries: int = 1,
    show: bool = True,
) -> State:
    """Go through a grid in its order, until its end, a signal or the end of the time; whoever comes later goes on from there.

    Args:
        trainings: all of them, finished ones too.
        runs: their settings, of `checked`.
        out: folder of the results.
        executor: where to train.
        max_seconds: then all workers save and stop.
        retries: how often a training that failed is tried again, at the end of the line; another call tries anew.
        show: progress on stderr.

    Raises:
        RunFolderError: another grid is at work on the same folder.
    """
    refuse_unwritable(out, "--out", folder=True)
    with alone(out / ".grid.lock", out), StopRequest(max_seconds) as stop:
        line = Line(trainings, State(out, list(trainings)), executor, retries, show)
        line.state.save()
        told = 0.0
        while line.waiting or executor.running():
            if stop.reason() is not None and not line.stopped:
                line.stop(str(stop.reason()))
            line.advance()
            if show and time.monotonic() - told >= EVERY:
                told = time.monotonic()
                say(progress_line(trainings, runs, out, executor.jobs, line.state))
            wait()
        return line.state


class Line:
    """The trainings that are still to be begun, in order, and what became of the others."""

    def __init__(self, trainings: Sequence[Training], state: State, executor: Executor, retries: int, show: bool) -> None:
        self.state, self.executor, self.show, self.stopped = state, executor, show, False
        self.waiting = deque(training for training in trainings if state.entries[training.name].status != "finished")
        self.tries = dict.fromkeys((training.name for training in self.waiting), retries + 1)

    def advance(self) -> None:
        """Take note of what has ended, and begin what there is room for."""
        for result in self.executor.results():
            self.note(result)
        while self.waiting and self.executor.room():
            training = self.waiting.popleft()
            self.tries[training.name] -= 1
            self.state.set(training.name, "running")
            self.executor.start(training)

    def note(self, result: Result) -> None:
        """What became of a training; a failed one goes to the end of the line."""
        name = result.training.name
        self.state.set(name, result.status, result.error)
        again = result.status == "failed" and self.tries[name] > 0 and not self.stopped
        if again:
            self.waiting.append(result.training)
        if self.show:
            say(f"{name}: {result.status}{', will be tried again' if again else ''}" + (f": {result.error}" if result.error else ""))

    def stop(self, reason: str) -> None:
        """Begin nothing more, and let the workers save."""
        self.stopped = True
        self.waiting.clear()
        self.executor.stop()
        if self.show:
            say(f"Stopping, {reason}: {len(self.executor.running())} trainings save their state.")


def progress_line(trainings: Sequence[Training], runs: Mapping[str, Run], out: Path, jobs: int, state: State) -> str:
    """How far the grid is, in one line."""
    found = estimate(trainings, runs, out, jobs)
    left = "" if found.seconds is None else f", about {format_seconds(found.seconds)} of training left"
    done = f"{len(state.named('finished'))} of {len(trainings)} trainings, {found.done / found.total:.0%} of the steps"
    return f"{done}{left}; at work: {', '.join(state.named('running'))}"
