"""`torchrun` starts the command line on two processes, which leave one run folder: that of one process."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from semiseg.cli import app
from semiseg.data.phantom import write_phantom
from semiseg.run_folder import RunFolder
from semiseg.training.train import train

LAYER = {
    "method": "cml",
    "network": {"width": 4},
    "training": {"steps": 4, "patch": [32, 32], "labeled_batch": 4, "unlabeled_batch": 4, "precision": "32-true", "optimizer": "sgd"},
}


def test_one_run_folder_that_a_report_reads(tmp_path: Path) -> None:
    write_phantom(tmp_path / "data", cases=4, labeled=2, test=1, shape=(40, 40), classes=2, seed=0)
    (tmp_path / "run.yaml").write_text(str(LAYER), encoding="utf-8")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "semiseg", "train"]
    options = ["data", "--config", "run.yaml", "--out", "two", "--device", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launch, *options], cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("4 of 4 steps") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "run.yaml", "two"]
    train(tmp_path / "data", [LAYER], tmp_path / "one", device="cpu", progress=False)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)
    assert RunFolder(tmp_path / "two").read_json("scores.json")["cases"]
    shown = CliRunner().invoke(app, ["report", str(tmp_path / "two")])
    assert shown.exit_code == 0, shown.output
    assert (tmp_path / "two" / "report.html").is_file()


def losses(run: Path) -> list[float]:
    with (run / "log.csv").open(newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("arguments", [["train", "data", "--dry-run"], ["curve", "data", "--budgets", "2"]])
def test_what_is_for_one_process_says_so(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 2
    assert "without torchrun or srun" in " ".join(refused.output.replace("│", " ").split())
