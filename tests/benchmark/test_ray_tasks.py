"""A grid on a Ray cluster ends as one on this machine does, even where workers are killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from semiseg.benchmark.executor import LocalProcesses, make_executor
from semiseg.benchmark.ray_tasks import RayTasks
from semiseg.benchmark.run import run_grid
from semiseg.benchmark.state import State
from semiseg.benchmark.training import Training
from semiseg.cluster import Node
from semiseg.data.phantom import write_phantom
from semiseg.errors import SettingsError

STEPS = 50
TINY: dict[str, Any] = {
    "network": {"width": 4},
    "training": {"steps": STEPS, "patch": [32, 16, 16], "labeled_batch": 1, "precision": "32-true"},
}


def cell(folder: Path, seed: int, steps: int = STEPS) -> Training:
    layers = (TINY, {"method": "supervised", "seed": seed, "data": {"labeled": 2}, "training": {"steps": steps}})
    return Training("P", folder, None, "supervised", "", 2, seed, 0, None, layers)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "phantom"
    write_phantom(folder, cases=3, labeled=2, test=1, shape=(20, 20, 20))
    return folder


def wait_for_state(folder: Path) -> None:
    while not (folder / "state.pt").is_file():
        time.sleep(0.01)


def processes_of(order: Path) -> list[int]:
    """The task of a training, and the process that it watches, as soon as they are there."""
    while True:
        listed = subprocess.run(["ps", "-wweo", "pid=,ppid=,args="], capture_output=True, encoding="utf-8", check=True).stdout
        found = [line.split(maxsplit=2)[1::-1] for line in listed.splitlines() if str(order) in line]
        if found:
            return [int(number) for number in found[0]]
        time.sleep(0.1)


def go(executor: Any, trainings: list[Training], out: Path, **more: Any) -> State:
    return run_grid(trainings, {training.name: training.run() for training in trainings}, out, executor, show=False, **more)


def test_a_grid_on_a_cluster_whose_worker_is_killed_ends_as_an_unbroken_local_one(tmp_path: Path, data: Path, cluster: list[Node]) -> None:
    trainings = [cell(data, seed) for seed in range(2)]
    there = make_executor(tmp_path / "ray", jobs=2, device="cpu", ray="auto", trainings=trainings)
    assert isinstance(there, RayTasks)
    assert (there.share.cpus, there.jobs) == (1, 2)
    folder, unfinished = tmp_path / "ray" / trainings[1].name, []

    def killing() -> None:
        """As a machine that goes down."""
        found = processes_of(tmp_path / "ray" / "logs" / f"{trainings[1].name}.json")
        wait_for_state(folder)
        for number in found:
            os.kill(number, signal.SIGKILL)
        unfinished.append(not (folder / "weights.safetensors").exists())

    killer = threading.Thread(target=killing, daemon=True)
    killer.start()
    state = go(there, trainings, tmp_path / "ray", retries=0)
    assert [(entry.status, entry.attempts, entry.errors) for entry in state.entries.values()] == [("finished", 1, [])] * 2
    killer.join(20)
    assert unfinished == [True]
    here = LocalProcesses(tmp_path / "local", jobs=2, device="cpu")
    assert go(here, trainings, tmp_path / "local").named("finished") == state.named("finished")
    for training in trainings:
        ours, theirs = (tmp_path / place / training.name for place in ("ray", "local"))
        one, other = (load_file(place / "weights.safetensors") for place in (ours, theirs))
        assert all(torch.equal(one[key], other[key]) for key in one)
        assert (ours / "scores.csv").read_bytes() == (theirs / "scores.csv").read_bytes()


def test_a_grid_that_is_asked_to_stop_saves_what_its_tasks_have(tmp_path: Path, data: Path, cluster: list[Node]) -> None:
    first, waiting = cell(data, 0, steps=100_000), cell(data, 1, steps=100_000)
    executor = RayTasks(tmp_path, cluster, jobs=1, device="cpu")
    executor.start(first)
    assert not executor.room()
    wait_for_state(tmp_path / first.name)
    executor.start(waiting)  # Ray has no room for it
    executor.stop()
    results = []
    while executor.running():
        results += executor.results()
        time.sleep(0.05)
    assert {result.training.name: result.status for result in results} == {first.name: "stopped", waiting.name: "stopped"}
    assert "Stopped after step" in (tmp_path / "logs" / f"{first.name}.log").read_text()
    assert not (tmp_path / waiting.name).exists()


def test_what_a_cluster_lacks_is_found_before_the_first_training(tmp_path: Path, data: Path, cluster: list[Node]) -> None:
    with pytest.raises(SettingsError, match="no machine of the Ray cluster lends a GPU"):
        make_executor(tmp_path, device="cuda", ray="auto")
    make_executor(tmp_path, device="cpu", ray="auto", trainings=[replace(cell(data, 0), folder=None)])
    assert list(tmp_path.iterdir()) == []  # the probe is gone


def test_without_ray_one_sentence_names_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SettingsError, match=r"pip install '\.\[ray\]'"):
        make_executor(tmp_path, ray="auto")
