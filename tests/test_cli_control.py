from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from semiseg.cli import app
from semiseg.data.phantom import write_phantom

CLI = CliRunner()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_phantom(tmp_path / "data", cases=4, labeled=2, test=2, shape=(20, 20, 20), classes=2, seed=0)
    return tmp_path / "data"


def test_a_control_follows_a_run_and_the_report_tells_what_it_showed(tmp_path: Path, data: Path) -> None:
    run = tmp_path / "run"
    line = ["train", str(data), "--method", "cps", "--steps", "1", "--out", str(run), "--device", "cpu", "--set", "network.width=4"]
    done = CLI.invoke(app, [*line, "--set", "training.patch=[32,16,16]", "--control"])
    assert done.exit_code == 0, done.stderr
    assert f"{run}-control: 1 of 1 steps" in done.stdout
    assert "In these two trainings the run with the unlabelled scans was " in done.stdout
    again = CLI.invoke(app, ["train", "--resume", str(run), "--control", "--device", "cpu", "--json"])
    told = json.loads(again.stdout)
    assert told["control"] == f"{run}-control"
    assert told["gain"]["sentence"] in done.stdout
    assert told["evaluation"]["provenance"]["protocol"] == "sealed, last step"
    assert CLI.invoke(app, ["report", str(run)]).exit_code == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "What the unlabelled scans bought" in page
    assert "CPS: how far the foreground probabilities of its two views lie apart" in page  # predicted again with the run's weights


def test_a_control_needs_the_test_cases_and_another_method(tmp_path: Path, data: Path) -> None:
    line = ["train", str(data), "--out", str(tmp_path / "run"), "--control"]
    assert "--control" in CLI.invoke(app, [*line, "--no-test"]).stderr
    refused = CLI.invoke(app, [*line, "--method", "supervised"])
    assert refused.exit_code == 1
    assert "nothing to compare it with" in refused.stderr
    assert not (tmp_path / "run").exists()  # said before the training, not after it


def test_what_would_be_compared_by_scores_needs_a_labelled_test_scan_before_it_is_trained(tmp_path: Path) -> None:
    write_phantom(tmp_path / "data", cases=4, labeled=2, test=0, shape=(20, 20, 20), classes=2, seed=0)
    for line in (["train", "--control"], ["curve", "--budgets", "1,2"]):
        done = CLI.invoke(app, [line[0], str(tmp_path / "data"), *line[1:], "--out", str(tmp_path / "run"), "--steps", "1"])
        assert (done.exit_code, done.stdout) == (1, "")
        assert ": no test case has a label, so there is nothing to score. Name labelled scans in test.list" in done.stderr
        assert not (tmp_path / "run").exists()
