"""A grid goes through its trainings in order, tries again what failed, stops when asked, and goes on when killed."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from typer.testing import CliRunner

from semiseg.benchmark.executor import LocalProcesses, cores, make_executor
from semiseg.benchmark.grid import read_grids, unrolled
from semiseg.benchmark.process import Result, last_words
from semiseg.benchmark.run import run_grid
from semiseg.benchmark.state import State
from semiseg.benchmark.training import Training
from semiseg.benchmark.worker import clear_unbegun
from semiseg.cli import app
from semiseg.config import make_run
from semiseg.data.phantom import write_phantom
from semiseg.errors import RunFolderError
from semiseg.evaluation.results import METRICS
from semiseg.lock import alone, clear_leftovers

CLI = CliRunner()
STEPS = 12
TINY = {
    "network": {"width": 4},
    "training": {"steps": STEPS, "patch": [32, 16, 16], "labeled_batch": 2, "unlabeled_batch": 2, "precision": "32-true"},
}


def cell(method: str, seed: int = 0) -> Training:
    return Training("P", Path("p"), None, method, "", 2, seed, 0, None, ())


class Scripted:
    """An executor that ends every training at once with the next status of its script; "slow" goes on until it is stopped."""

    jobs = 1

    def __init__(self, out: Path, script: dict[str, list[str]]) -> None:
        self.out, self.script = out, script
        self.started: list[str] = []
        self.ended: list[Result] = []
        self.slow: list[Training] = []

    def room(self) -> bool:
        return not self.slow and not self.ended

    def start(self, training: Training) -> None:
        self.started.append(training.method)
        status: Any = self.script.get(training.method, ["finished"]).pop(0) if self.script.get(training.method) else "finished"
        if status == "slow":
            self.slow.append(training)
            return
        if status == "finished":
            (self.out / training.name).mkdir(parents=True)
            (self.out / training.name / "scores.json").write_text("{}")
        self.ended.append(Result(training, status, "no room on the disk" if status == "failed" else ""))

    def results(self) -> list[Result]:
        ended, self.ended = self.ended, []
        return ended

    def running(self) -> list[Training]:
        return [*self.slow, *(result.training for result in self.ended)]

    def stop(self) -> None:
        self.ended += [Result(training, "stopped") for training in self.slow]
        self.slow = []


def go(out: Path, executor: Scripted, methods: list[str], **more: Any) -> State:
    trainings = [cell(method) for method in methods]
    return run_grid(trainings, {training.name: make_run(TINY) for training in trainings}, out, executor, show=False, **more)


def test_what_failed_is_tried_again_at_the_end_and_its_errors_are_kept(tmp_path: Path) -> None:
    executor = Scripted(tmp_path, {"cml": ["failed", "finished"], "bcp": ["failed", "failed"]})
    state = go(tmp_path, executor, ["cml", "bcp", "supervised"])
    assert executor.started == ["cml", "bcp", "supervised", "cml", "bcp"]
    assert [entry.status for entry in state.entries.values()] == ["finished", "failed", "finished"]
    kept = json.loads((tmp_path / "state.json").read_text(encoding="utf-8"))["P/bcp-2-d0-s0"]
    assert kept == {"status": "failed", "attempts": 2, "errors": ["no room on the disk"] * 2}


def test_a_second_call_goes_on_with_what_is_not_finished(tmp_path: Path) -> None:
    go(tmp_path, Scripted(tmp_path, {"bcp": ["failed"]}), ["cml", "bcp"], retries=0)
    executor = Scripted(tmp_path, {})
    state = go(tmp_path, executor, ["cml", "bcp"])
    assert executor.started == ["bcp"]
    assert state.entries["P/bcp-2-d0-s0"].attempts == 2
    assert state.named("finished") == ["P/cml-2-d0-s0", "P/bcp-2-d0-s0"]


def test_what_failed_in_an_earlier_call_is_shown_as_failed_until_it_is_tried_again(tmp_path: Path) -> None:
    grid, out = grid_file(tmp_path), tmp_path / "out"
    (training,) = unrolled(read_grids(grid))
    state = State(out, [training])
    assert state.named("waiting")
    for status, error in (("running", ""), ("failed", "no room on the disk")):
        state.set(training.name, status, error)  # type: ignore[arg-type]
    assert State(out, [training]).named("failed") == [training.name]
    for option in ("--results", "--check"):
        told = CLI.invoke(app, ["benchmark", str(grid), "--out", str(out), option])
        assert (told.exit_code, "supervised-2-d0-s0: failed" in told.stdout) == (1, True)
    executor = Scripted(out, {})
    again = run_grid([training], {training.name: training.run()}, out, executor, show=False)
    assert (executor.started, again.named("finished")) == (["supervised"], [training.name])


def test_what_was_at_work_when_its_grid_was_killed_has_stopped(tmp_path: Path) -> None:
    state = State(tmp_path, [cell("cml"), cell("bcp")])
    state.set(cell("cml").name, "running")
    assert [entry.status for entry in State(tmp_path, [cell("cml"), cell("bcp")]).entries.values()] == ["stopped", "waiting"]


def test_when_the_time_is_over_workers_are_asked_to_stop_and_nothing_new_begins(tmp_path: Path) -> None:
    executor = Scripted(tmp_path, {"cml": ["slow"]})
    state = go(tmp_path, executor, ["cml", "bcp"], max_seconds=0.2)
    assert executor.started == ["cml"]
    assert [entry.status for entry in state.entries.values()] == ["stopped", "waiting"]


def test_two_grids_do_not_work_on_one_folder(tmp_path: Path) -> None:
    with alone(tmp_path / ".grid.lock", tmp_path), pytest.raises(RunFolderError, match="another process is at work here"):
        go(tmp_path, Scripted(tmp_path, {}), ["cml"])


def test_what_a_kill_left_behind_is_cleared(tmp_path: Path) -> None:
    (tmp_path / "early").mkdir()
    (tmp_path / "early" / "split.json").touch()
    clear_unbegun(tmp_path / "early")
    assert not (tmp_path / "early").exists()  # no run in it yet
    (tmp_path / "run").mkdir()
    for name in ("run.yaml", "state.pt", ".state.pt.x1y2"):
        (tmp_path / "run" / name).touch()
    clear_leftovers(tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["run.yaml", "state.pt"]


def test_last_words_are_the_error() -> None:
    assert last_words("cml: 10/30\nTraceback (most recent call last)\n  File x\nMemoryError: no room") == "MemoryError: no room"
    assert last_words("x.nii.gz: no such file.") == "x.nii.gz: no such file."


def grid_file(folder: Path) -> Path:
    write_phantom(folder / "phantom", cases=4, labeled=2, test=1, shape=(20, 20, 20))
    path = folder / "grid.yaml"
    path.write_text(yaml.safe_dump({"data": {"P": "phantom"}, "methods": ["supervised"], "labeled": [2], "seeds": [0], "settings": TINY}))
    return path


def test_a_worker_that_fails_tells_its_last_words(tmp_path: Path) -> None:
    executor = make_executor(tmp_path, jobs=1)
    assert isinstance(executor, LocalProcesses)
    executor.start(cell("supervised"))
    assert not executor.room()
    while not (results := executor.results()):
        time.sleep(0.05)
    assert results == [Result(cell("supervised"), "failed", "p: no such folder.")]
    assert executor.running() == []


def test_a_grid_killed_with_sigkill_goes_on_and_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    """The workers see that the grid is gone, save after their step, and leave their folders to the next one."""
    grid, out = grid_file(tmp_path), tmp_path / "out"
    command = [sys.executable, "-m", "semiseg", "benchmark", str(grid), "--jobs", str(cores()), "--device", "cpu", "--out"]
    run = "P/supervised-2-d0-s0"
    first = subprocess.Popen([*command, str(out)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not (out / run / "state.pt").is_file():
        assert first.poll() is None
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.wait()
    with alone((out / run).with_name(".supervised-2-d0-s0.lock"), out / run, wait=True):  # the worker has stopped
        step = torch.load(out / run / "state.pt", weights_only=True)["step"]
    assert 0 < step < STEPS
    assert not (out / run / "weights.safetensors").exists()
    for folder in (out, tmp_path / "whole"):
        done = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "1 of 1 trainings finished" in done.stdout
    ours, theirs = (load_file(folder / run / "weights.safetensors") for folder in (out, tmp_path / "whole"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    with (out / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(METRICS)  # one training, case and class
    assert {row["protocol"] for row in rows} == {"sealed, last step"}
    assert "| 2 | supervised | last | chamber |" in (out / "results.md").read_text(encoding="utf-8")
    assert (out / "report.html").is_file()
