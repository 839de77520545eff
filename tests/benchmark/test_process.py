"""What is said of a worker that has ended, whatever struck while it was watched."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from semiseg.benchmark.process import Process
from semiseg.run_folder import RunFolder


def ended(folder: Path, code: int) -> Process:
    """A worker that says a word and returns `code`."""
    log = folder / "log"
    with log.open("wb") as words:
        popen = subprocess.Popen([sys.executable, "-c", f"print('word'); raise SystemExit({code})"], stdout=words)
    return Process(popen, RunFolder(folder), log, 0)


def test_a_worker_is_finished_when_its_test_cases_are_scored(tmp_path: Path) -> None:
    (tmp_path / "scores.json").touch()
    assert ended(tmp_path, 0).outcome() == ("finished", "")
    assert ended(tmp_path, 1).outcome() == ("failed", "word")


def test_a_return_code_that_an_interrupt_lost_does_not_make_a_stopped_training_a_finished_one(tmp_path: Path) -> None:
    process = ended(tmp_path, 3)
    os.waitpid(process.popen.pid, 0)  # as a KeyboardInterrupt between waitpid and the noting of its result does; Popen then says 0
    assert process.outcome() == ("stopped", "")
