from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from semiseg.cli import app
from semiseg.data.phantom import write_phantom

CLI = CliRunner()
SMALL = ["--method", "supervised", "--steps", "1", "--device", "cpu", "--set", "network.width=4", "--set", "training.patch=[32,16,16]"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_phantom(tmp_path / "data", cases=5, labeled=3, test=2, shape=(20, 20, 20), classes=2, seed=0)
    return tmp_path / "data"


def test_a_curve_is_trained_once_and_told(tmp_path: Path, data: Path) -> None:
    line = ["curve", str(data), "--budgets", "1,2,3", "--seeds", "0", "--out", str(tmp_path / "c"), *SMALL]
    done = CLI.invoke(app, line)
    assert done.exit_code == 0, done.stderr
    assert re.search(r"Supervised-only +1 +1 ", done.stdout)
    made = tmp_path / "c" / "labels-3-seed-0-draw-0" / "weights.safetensors"
    written = made.stat().st_mtime_ns
    again = CLI.invoke(app, [*line, "--json"])
    assert made.stat().st_mtime_ns == written  # passed over
    told = json.loads(again.stdout)["curves"]["Supervised-only"]
    assert [budget["labels"] for budget in told["budgets"]] == [1, 2, 3]
    assert told["sentence"] in done.stdout
    assert {file.name for file in (tmp_path / "c").iterdir() if file.is_file()} == {"curve.html", "curve.json", "curve.png"}
    read = CLI.invoke(app, ["curve", "--runs", str(tmp_path / "c"), "--out", str(tmp_path / "again"), "--json"])
    assert json.loads(read.stdout)["curves"]["Supervised-only"] == told
    changed = CLI.invoke(app, [*line, "--steps", "2"])
    assert changed.exit_code == 1
    assert "training.steps (1 -> 2)" in changed.stderr


def test_a_budget_that_cannot_be_is_refused_before_the_first_training(tmp_path: Path, data: Path) -> None:
    refused = CLI.invoke(app, ["curve", str(data), "--budgets", "1,2,77,99", "--out", str(tmp_path / "c"), *SMALL])
    assert refused.exit_code == 1
    assert "77" in refused.stderr
    assert "99" in refused.stderr
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["curve"], "give a data folder"),
        (["curve", "scans"], "give the label budgets"),
        (["curve", "scans", "--budgets", "four"], "expected numbers"),
        (["curve", "scans", "--budgets", "4", "--runs", "x"], "give a data folder"),
    ],
)
def test_what_is_missing_is_said(line: list[str], said: str) -> None:
    done = CLI.invoke(app, line)
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_folder_without_runs_says_so(tmp_path: Path) -> None:
    assert "there is none below it" in CLI.invoke(app, ["curve", "--runs", str(tmp_path)]).stderr
