"""The control beside a run: equal in all but the method, and an answer in plain words."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from semiseg.case import Case
from semiseg.config import make_run
from semiseg.data.dataset import Dataset
from semiseg.data.phantom import phantom_case
from semiseg.errors import RunFolderError, SettingsError
from semiseg.evaluation.gain import Gain
from semiseg.evaluation.intervals import Interval
from semiseg.evaluation.results import Evaluation
from semiseg.evaluation.statistics import Paired
from semiseg.training.control import control_run, train_control
from semiseg.training.train import train

TINY: dict[str, Any] = {
    "method": "mean-teacher",
    "network": {"width": 4},
    "training": {"steps": 2, "patch": [32, 16, 16], "labeled_batch": 1, "unlabeled_batch": 1, "precision": "32-true"},
}


def tiny_dataset() -> Dataset:
    made = [phantom_case(seed, (20, 20, 20), 2) for seed in range(5)]
    scans = [Case(f"case_{i}", (image,), label) for i, (image, label) in enumerate(made)]
    return Dataset("tiny", ("chamber",), tuple(scans[:3]), test=tuple(scans[3:]))


def gain(low: float, high: float, trainings: tuple[int, int] = (3, 3)) -> Gain:
    found = Paired((low + high) / 2, Interval(low, high), 0.03, 0.03, better=7, worse=3, equal=0, left_out=0, trainings=trainings)
    return Gain({"organ": found})


def test_the_control_shares_all_but_the_method() -> None:
    run = make_run({"method": "bcp", "seed": 5, "settings": {"dice": "class_squared"}, "training": {"labeled_batch": 3}})
    control = control_run(run)
    assert control.method == "supervised"
    assert control.settings.model_dump()["dice"] == "class_squared"  # the form of the loss is not what is compared
    same = {"method": "bcp", "settings": run.settings.model_dump()}
    assert {**control.model_dump(), **same} == run.model_dump()


@pytest.mark.parametrize(
    "layer",
    [
        {"method": "supervised"},
        {"method": "cml", "training": {"unlabeled_batch": 0}},
        {"method": "cml", "settings": {"mutual_learning": "off"}},
    ],
)
def test_a_run_without_unlabeled_scans_is_its_own_control(layer: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="nothing to compare it with"):
        control_run(make_run(layer))


def test_a_control_is_trained_resumed_and_compared(tmp_path: Path) -> None:
    data, folder = tiny_dataset(), train(tiny_dataset(), [TINY, {"data": {"labeled": 1}}], out=tmp_path / "run", progress=False).folder
    stopped = train_control(folder, data, max_seconds=0, progress=False)
    assert (stopped.finished, stopped.step, stopped.folder.path) == (False, 1, tmp_path / "run-control")
    assert not (tmp_path / "run" / "gain.json").exists()
    done = train_control(folder, data, progress=False)
    assert done.finished
    written = json.loads((tmp_path / "run" / "gain.json").read_text(encoding="utf-8"))
    assert (written["control"], written["metric"], written["level"]) == ("run-control", "dice", 0.95)
    dices = [Evaluation.from_json(f.path / "scores.json").summary()["chamber"]["dice"].mean for f in (folder, done.folder)]
    sources = {side: (source["method"], source["protocol"], source["seed"]) for side, source in written["provenance"].items()}
    assert sources == {"run": ("mean-teacher", "sealed, last step", 1337), "control": ("supervised", "sealed, last step", 1337)}
    assert written["provenance"]["run"]["data"] == written["provenance"]["control"]["data"]
    assert written["classes"]["chamber"]["difference"] == pytest.approx(dices[0] - dices[1])
    assert folder.read_json("split.json") == done.folder.read_json("split.json")


def test_an_unfinished_run_has_no_control_yet(tmp_path: Path) -> None:
    stopped = train(tiny_dataset(), [TINY, {"data": {"labeled": 1}}], out=tmp_path / "run", max_seconds=0, progress=False)
    with pytest.raises(RunFolderError, match="no scores to compare"):
        train_control(stopped.folder, tiny_dataset(), progress=False)


def test_the_answer_is_plain() -> None:
    helped = gain(0.01, 0.03).sentence()
    assert helped.startswith(
        "The unlabelled scans helped: +0.020 Dice (95 % interval +0.010 to +0.030), better in 7 of 10 test scans, p = 0.03, against"
    )
    assert gain(-0.01, 0.03).sentence().startswith("The unlabelled scans did not help measurably here: +0.010 Dice")
    assert gain(-0.03, -0.01).sentence().startswith("The unlabelled scans did harm: -0.020 Dice")


def test_one_training_of_each_is_no_verdict() -> None:
    assert gain(0.01, 0.03, (1, 1)).sentence() == (
        "In these two trainings the run with the unlabelled scans was ahead of the supervised control: +0.020 Dice (95 % interval over "
        "test scans alone +0.010 to +0.030), better in 7 of 10 test scans, p = 0.03; another seed may reverse it. "
        "Train both again with another --seed and --out, then run `semiseg report` on all runs."
    )
    told = [
        gain(low, high, counts).sentence() for low, high, counts in ((-0.03, -0.01, (1, 1)), (-0.01, 0.03, (3, 1)), (-0.01, 0.01, (1, 2)))
    ]
    assert "was behind the supervised control: -0.020" in told[0]
    assert told[1].startswith("In these 3 and 1 trainings")
    assert "was level with" in told[2]
    assert not any(word in sentence for sentence in told for word in ("helped", "harm"))


def test_one_test_scan_tells_nothing() -> None:
    one = Gain({"organ": replace(gain(0.1, 0.1).overall, interval=Interval(math.nan, math.nan), better=1, worse=0)})
    assert one.sentence() == (
        "One test scan cannot tell whether the unlabelled scans helped: +0.100 Dice there, against the supervised control."
    )


def test_a_gain_comes_back_from_its_file_and_is_told_anew() -> None:
    found = gain(0.01, 0.03, (1, 1))
    written = json.loads(json.dumps(found.as_dict()))
    assert Gain.from_dict(written) == found
    old = {**written["classes"]["organ"], "interval": {"low": None, "high": None}}
    del old["trainings"], old["patients"]  # as version 0.1 wrote it
    again = Gain.from_dict({"sentence": "The unlabelled scans helped.", "classes": {"organ": old}})
    assert "helped" not in again.sentence().partition("cannot tell whether")[0]
    assert again.overall.trainings == (1, 1)
