"""Test cases that cannot be read, a scoring that is cut, and settings of inference that change later: nothing is lost or done twice."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from training_kit import TINY, tiny_dataset

from semiseg.data.phantom import write_phantom
from semiseg.errors import DataError, RunFolderError, SettingsError
from semiseg.evaluation.results import Evaluation
from semiseg.inference.predictor import Predictor
from semiseg.training.train import Trained, resume, train

SUPERVISED = {**TINY, "method": "supervised"}


def masks(trained: Trained) -> dict[str, int]:
    """When each mask was written, in nanoseconds."""
    return {path.name: path.stat().st_mtime_ns for path in trained.folder.predictions.iterdir()}


def test_unreadable_test_cases_cost_no_more_than_their_own_scores(tmp_path: Path) -> None:
    write_phantom(tmp_path / "data", cases=2, labeled=2, test=4, shape=(20, 20, 20), classes=2, seed=0)
    scan, label = (tmp_path / "data" / part / f"phantom_00{k}.nii.gz" for part, k in (("images", 3), ("labels", 4)))
    whole = {path: path.read_bytes() for path in (scan, label)}
    for path, content in whole.items():
        path.write_bytes(content[:200])
    with pytest.raises(DataError) as caught:
        train(tmp_path / "data", SUPERVISED, out=tmp_path / "run", progress=False)
    told = str(caught.value)
    assert "2 of 4 test cases could not be scored. The scores of the other 2 are in scores-partial.csv." in told
    assert str(scan) in told
    assert str(label) in told
    assert f"semiseg train --resume {tmp_path / 'run'}" in told
    partial = Evaluation.from_json(tmp_path / "run" / "scores-partial.json")
    assert [case.id for case in partial.cases] == ["phantom_002", "phantom_005"]
    assert not (tmp_path / "run" / "scores.json").exists()
    for path, content in whole.items():
        path.write_bytes(content)
    done = resume(tmp_path / "run", progress=False)
    assert done.finished
    assert done.evaluation is not None
    assert len(done.evaluation.cases) == 4
    assert not list((tmp_path / "run").glob("scores-partial*"))


def test_a_stop_while_test_cases_are_predicted_loses_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predict, calls = Predictor.predict, []

    def interrupted(self: Predictor, *args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return predict(self, *args, **kwargs)

    monkeypatch.setattr(Predictor, "predict", interrupted)
    stopped = train(tiny_dataset(test=3), SUPERVISED, out=tmp_path / "run", progress=False)
    assert (stopped.finished, stopped.step, stopped.evaluation) == (False, 6, None)
    before = masks(stopped)
    assert list(before) == ["case_4.nii.gz", "case_5.nii.gz"]
    done = resume(tmp_path / "run", data=tiny_dataset(test=3), progress=False)
    assert done.finished
    assert len(calls) == 3
    assert {name: when for name, when in masks(done).items() if name in before} == before


def test_inference_may_change_once_the_training_is_done(tmp_path: Path) -> None:
    finer = {"inference": {"stride": [8, 8, 8]}}
    stopped = train(tiny_dataset(), SUPERVISED, out=tmp_path / "run", max_seconds=0, progress=False)
    with pytest.raises(RunFolderError, match=r"inference\.stride"):
        resume(tmp_path / "run", finer, data=tiny_dataset(), progress=False)
    before = masks(resume(tmp_path / "run", data=tiny_dataset(), progress=False))
    with pytest.raises(RunFolderError, match=r"training\.learning_rate"):
        resume(tmp_path / "run", [finer, {"training": {"learning_rate": 0.5}}], data=tiny_dataset(), progress=False)
    with pytest.raises(SettingsError, match=r"inference\.stride: \(99, 8, 8\)"):
        resume(tmp_path / "run", {"inference": {"stride": [99, 8, 8]}}, data=tiny_dataset(), progress=False)
    done = resume(tmp_path / "run", finer, data=tiny_dataset(), progress=False)
    assert all(when > before[name] for name, when in masks(done).items())
    assert stopped.folder.run().inference.stride == (8, 8, 8)
    assert stopped.folder.read_json("plan.json")["asked"]["inference.stride"] == [8, 8, 8]


@pytest.mark.parametrize(
    ("layer", "match"),
    [
        ({"inference": {"stride": [99, 8, 8]}}, r"inference\.stride"),  # refused by the plan
        ({"method": "bcp", "training": {"labeled_batch": 3}}, "batch"),  # refused by the first step
    ],
)
def test_what_cannot_be_trained_leaves_no_folder(tmp_path: Path, layer: dict[str, Any], match: str) -> None:
    with pytest.raises(SettingsError, match=match):
        train(tiny_dataset(), [TINY, layer], out=tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a place where no folder can be made")
def test_a_run_folder_that_cannot_be_made_is_refused_at_once() -> None:
    with pytest.raises(SettingsError, match=r"cannot be written .* Name another folder with --out"):
        train(tiny_dataset(), SUPERVISED, out=Path("/proc/semiseg/run"), progress=False)
