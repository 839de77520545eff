"""Scans that several workers predict, in processes here or on a Ray cluster, come out as from one; killed workers lose none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from semiseg.case import Case
from semiseg.cli import app
from semiseg.config import make_run
from semiseg.errors import RunFolderError, SettingsError
from semiseg.inference.crew import Died, Done, HandingOut, Ready
from semiseg.inference.files import Here, predict_at
from semiseg.inference.inputs import find_cases
from semiseg.inference.masks import Order, PredictedFile
from semiseg.inference.places import make_place
from semiseg.inference.predictor import Maps
from semiseg.inference.process_crew import ProcessCrew
from semiseg.inference.worker import Model
from semiseg.run_folder import RunFolder

SCANS = "abdef"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    values = {"method": "supervised", "data": {"channels": 1, "classes": ["one"]}, "network": {"width": 4}}
    found = make_run(values, {"training": {"patch": [32, 16, 16], "precision": "32-true"}})
    folder = tmp_path_factory.mktemp("model") / "run"
    RunFolder.create(folder, found).save_weights(found.build())
    return folder


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five scans, and a third file that is none."""
    folder = tmp_path_factory.mktemp("scans")
    for seed, name in enumerate(SCANS):
        image = np.random.default_rng(seed).normal(size=(32, 17, 18)).astype(np.float32)
        nibabel.save(nibabel.Nifti1Image(image, np.diag([1.0, 2.0, 3.0, 1.0])), folder / f"{name}.nii.gz")
    (folder / "c.nii.gz").write_bytes(b"not a scan")
    return folder


@pytest.fixture(scope="module")
def expected(run: Path, scans: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files that one process writes."""
    to = tmp_path_factory.mktemp("masks")
    predict_at(Here(Model(run).load("cpu"), Maps(probabilities=False, percent=True)), find_cases([scans]), to)
    return written(to)


def written(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): bytes(voxels(file)) for file in sorted(folder.rglob("*.nii.gz"))}


def voxels(file: Path) -> bytes:
    return np.asanyarray(nibabel.Nifti1Image.from_filename(file).dataobj).tobytes()


def workers_of(parents: Sequence[int], named: str) -> list[int]:
    """The processes below others, at any depth, whose command line holds a word."""
    listed = subprocess.run(["ps", "-wweo", "pid=,ppid=,args="], capture_output=True, encoding="utf-8", check=True).stdout
    lines = [line.split(maxsplit=2) for line in listed.splitlines()]
    found = [(int(pid), args) for pid, parent, args in lines if int(parent) in parents]
    below = workers_of([pid for pid, _ in found], named) if found else []
    return [pid for pid, args in found if named in args] + below


@pytest.mark.parametrize("kind", ["processes", "ray"])
def test_many_workers_write_what_one_does_even_if_all_are_killed(
    kind: str, run: Path, scans: Path, expected: dict[str, bytes], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "ray":
        request.getfixturevalue("cluster")
    address = "auto" if kind == "ray" else None
    maps = Maps(probabilities=False, percent=True)
    predictor, place = make_place(Model(run), [scans], tmp_path / "masks", 2, address, "cpu", maps)
    assert predictor.run.data.channels == 1
    killed: list[int] = []

    def progress(done: int, total: int) -> None:
        assert total == len(SCANS) + 1
        if not killed:
            killed.extend(workers_of([os.getpid()], "ray::ScanWorker" if kind == "ray" else "multiprocessing.spawn"))
            for number in killed:
                os.kill(number, signal.SIGKILL)

    results = predict_at(place, find_cases([scans]), tmp_path / "masks", progress=progress)
    assert 1 <= len(killed) <= 2
    assert [result.status for result in results] == ["predicted", "predicted", "failed", "predicted", "predicted", "predicted"]
    assert "c.nii.gz" in results[2].message
    assert written(tmp_path / "masks") == expected
    again = predict_at(place, find_cases([scans / "a.nii.gz"]), tmp_path / "masks")
    assert [result.status for result in again] == ["skipped"]  # no worker begins


def test_a_model_that_cannot_be_loaded_is_one_error_also_from_another_process(tmp_path: Path, scans: Path) -> None:
    orders = [Order(case, tmp_path / "mask.nii.gz") for case in find_cases([scans / "a.nii.gz"])]
    with pytest.raises(RunFolderError, match="not a run folder"):
        list(ProcessCrew(Model(tmp_path), 2, "cpu").predicted(orders))


def test_without_ray_predict_names_the_way_out(run: Path, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    done = CliRunner().invoke(app, ["predict", str(run), str(scans), "--to", str(tmp_path), "--ray", "auto"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "--ray needs Ray. Install it here and on all machines, in a clone of semiseg: pip install '.[ray]'.\n"


class Scripted:
    """Workers that do at once what they are given, but die of some orders with all that they hold; the first ones may never be ready."""

    def __init__(self, deadly: Sequence[int], stillborn: int = 0, hands: int = 2) -> None:
        self.size, self.hands, self.deadly, self.stillborn = 2, hands, deadly, stillborn
        self.begun = 0
        self.news: deque[Ready | Done | Died] = deque()
        self.given: list[tuple[int, int]] = []

    def begin(self) -> None:
        self.begun += 1
        self.news.append(Died(self.begun) if self.begun <= self.stillborn else Ready(self.begun))

    def give(self, worker: int, number: int, order: Order) -> None:
        self.given.append((worker, number))
        self.news.append(
            Died(worker) if number in self.deadly else Done(worker, number, PredictedFile(order.source, order.mask, "predicted"))
        )

    def heard(self) -> Ready | Done | Died:
        news = self.news.popleft()
        if isinstance(news, Died):
            self.news = deque(other for other in self.news if other.worker != news.worker)
        return news


def orders(count: int) -> list[Order]:
    return [Order(Case(str(k), (Path(f"{k}.nii"),)), Path("masks") / f"{k}.nii") for k in range(count)]


def test_a_scan_that_kills_its_workers_is_given_up_and_takes_no_other_with_it() -> None:
    crew = Scripted(deadly=[0, 3])
    results = dict(HandingOut(crew, orders(9)))
    assert sorted(results) == list(range(9))
    assert [k for k, result in results.items() if result.status == "failed"] == [0, 3]
    assert results[3].message == "its worker was killed 3 times: out of memory?"
    assert [number for _, number in crew.given].count(0) == 3


def test_workers_that_die_before_they_are_ready_are_replaced_but_not_for_ever() -> None:
    assert len(dict(HandingOut(Scripted([], stillborn=4), orders(3)))) == 3
    with pytest.raises(SettingsError, match="Workers are killed while they load the model"):
        dict(HandingOut(Scripted([], stillborn=100), orders(3)))
