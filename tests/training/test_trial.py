from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from semiseg.data.phantom import write_phantom
from semiseg.errors import DataError
from semiseg.training.job import make_job
from semiseg.training.start import start
from semiseg.training.trial import StageCost, Trial, peak_of_process, step_costs, try_out

CPU = torch.device("cpu")
TINY: dict[str, Any] = {
    "network": {"width": 4},
    "training": {"steps": 8, "patch": [32, 32], "labeled_batch": 2, "unlabeled_batch": 2, "precision": "32-true"},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEMISEG_CACHE", str(tmp_path / "cache"))
    write_phantom(tmp_path / "data", 4, 2, 1, (32, 32))
    return tmp_path / "data"


@pytest.mark.parametrize(("method", "stages"), [("cml", [("pretrain", 2), ("self-train", 6)]), ("supervised", [("train", 8)])])
def test_every_stage_is_timed_and_weighted_by_its_steps(folder: Path, method: str, stages: list[tuple[str, int]]) -> None:
    begun = start(folder, [TINY, {"method": method}], CPU, show=False)
    costs = step_costs(make_job(begun.plan.run, begun.dataset, begun.split, show=False), CPU)
    assert [(cost.name, cost.steps) for cost in costs] == stages
    assert all(cost.seconds_per_step > 0 for cost in costs)


def test_what_has_gone_bad_since_the_plan_is_said(folder: Path) -> None:
    begun = start(folder, [TINY], CPU, show=False)
    (folder / "images" / "phantom_003.nii.gz").write_bytes(b"gone bad since")
    with pytest.raises(DataError, match=r"phantom_003.nii.gz"):
        try_out(begun, CPU, show=False)


def test_time_is_the_sum_over_stages() -> None:
    trial = Trial(3.0, None, (StageCost("pretrain", 150, 0.5), StageCost("self-train", 450, 2.0)))
    assert trial.training_seconds == 975
    assert trial.as_dict()["peak_memory_mb"] is None


def test_peak_of_this_process() -> None:
    before = peak_of_process()
    ballast = torch.ones(64 * 2**20)  # 256 MB
    after = peak_of_process()
    assert before is not None
    assert after is not None
    assert after >= before
    assert after > ballast.nbytes
