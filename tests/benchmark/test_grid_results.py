"""The tables of a grid: tidy values, averages over trainings, folds pooled, and what was selected on test said aloud."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from semiseg.benchmark.estimate import estimate
from semiseg.benchmark.report import markdown, write_results
from semiseg.benchmark.results import read_scores, rows_of, table, tidy
from semiseg.benchmark.state import State
from semiseg.benchmark.training import Training
from semiseg.benchmark.training import finished as run_finished
from semiseg.config import make_run
from semiseg.evaluation.metrics import ClassScore
from semiseg.evaluation.results import METRICS, CaseScore, Evaluation, Provenance
from semiseg.run_folder import RunFolder


def score(dice: float) -> ClassScore:
    sizes: Any = dict.fromkeys(("prediction_voxels", "reference_voxels", "prediction_volume", "reference_volume"), 5)
    values: Any = dict.fromkeys(("hd95_voxel", "asd_voxel", "assd_voxel", "hd95_mm", "asd_mm", "assd_mm"), 2.0)
    return ClassScore(name="organ", status="ok", dice=dice, jaccard=dice / (2 - dice), **sizes, **values)


def cell(seed: int, fold: str | None = None, method: str = "cml") -> Training:
    return Training("P", Path("p"), None, method, "", 4, seed, 0, fold, ())


def finish(out: Path, training: Training, dices: dict[str, float], protocol: str = "sealed, last step", name: str = "scores.json") -> None:
    folder = RunFolder(out / training.name)
    source = Provenance(protocol, training.method, training.seed, 0, 4, "abcd", "0.1")
    evaluation = Evaluation(("organ",), tuple(CaseScore(case, (score(dice),)) for case, dice in dices.items()), source)
    folder.write_json("cost.json", {"device": "cpu", "seconds": 60.0, "seconds_per_step": 0.5, "peak_memory_mb": 100.0})
    evaluation.to_json(folder.path / name)


def test_seeds_are_averaged_and_cases_are_tidy(tmp_path: Path) -> None:
    trainings = [cell(0), cell(1)]
    finish(tmp_path, trainings[0], {"a": 0.8, "b": 0.6})
    finish(tmp_path, trainings[1], {"a": 0.9, "b": 0.9})
    scores = read_scores(trainings, tmp_path)
    (row,) = rows_of(scores)
    assert table([row]).rows == (("4", "cml", "last", "organ", "80.00 ± 14.14", *table([row]).rows[0][5:]),)  # of 70 and 90
    assert table([row]).head[6:8] == ("HD95 mm", "ASD mm")
    assert table([row]).head[-5:] == ("failures", "cases", "trainings", "s a step", "peak MB")
    assert table([row]).rows[0][-5:] == ("0", "2", "2", "0.50", "100")
    rows = list(tidy(scores))
    assert len(rows) == 2 * 2 * len(METRICS)  # trainings x cases x metrics
    assert rows[0] == rows[0] | {"seed": 0, "case": "a", "class": "organ", "metric": "dice", "value": 0.8, "fingerprint": "abcd"}


def test_folds_are_one_training_over_all_cases(tmp_path: Path) -> None:
    trainings = [cell(0, "1/2"), cell(0, "2/2")]
    finish(tmp_path, trainings[0], {"a": 0.9}, "sealed, last step, fold 1/2")
    finish(tmp_path, trainings[1], {"b": 0.5, "c": 0.7}, "sealed, last step, fold 2/2")
    (row,) = rows_of(read_scores(trainings, tmp_path))
    (pooled,) = row.evaluations
    assert [case.id for case in pooled.cases] == ["a", "b", "c"]
    assert table([row]).rows[0][4] == "70.00"  # of three cases, not of two folds
    assert "folds 1/2, 2/2" in markdown("grid", [row], State(tmp_path, trainings))


def test_a_cross_validation_with_missing_folds_is_in_no_average_and_the_page_says_so(tmp_path: Path) -> None:
    trainings = [cell(seed, fold) for seed in (0, 1) for fold in ("1/2", "2/2")]
    for training in trainings[:3]:
        run = make_run({"seed": training.seed, "data": {"labeled": 4, "fold": training.fold, "classes": ("organ",), "channels": 1}})
        RunFolder.create(tmp_path / training.name, run, {"labeled": ["l"], "unlabeled": ["u"], "validation": [], "test": []})
        RunFolder(tmp_path / training.name).write_text("log.csv", "step,stage,loss\n10,train,1.5\n")
    finish(tmp_path, trainings[0], {"a": 0.9})
    finish(tmp_path, trainings[1], {"b": 0.7, "c": 0.5})
    finish(tmp_path, trainings[2], {"a": 0.1})  # of seed 1 the second fold is missing
    files = write_results("grid", trainings, State(tmp_path, trainings), tmp_path)
    assert files == [tmp_path / "results.md", tmp_path / "report.html"]
    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert "| 4 | cml | last | organ | 70.00 |" in page  # of a, b, c: without the 0.1, which is of one case alone
    assert "| 0 | 3 | 1 |" in page  # failures, cases, trainings
    assert "Not in the tables, since folds are missing (results.csv has what is there): P/cml-4-d0-s1 (1 of 2 folds)." in page
    assert json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["left_out"] == ["P/cml-4-d0-s1 (1 of 2 folds)"]
    with (tmp_path / "results.csv").open(newline="", encoding="utf-8") as file:
        assert {(row["seed"], row["fold"], row["case"]) for row in csv.DictReader(file)} >= {("1", "1/2", "a")}


def test_half_a_score_file_is_never_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish(tmp_path, cell(0), {"a": 0.8})
    path = tmp_path / cell(0).name / "scores.json"
    evaluation, before = Evaluation.from_json(path), path.read_text(encoding="utf-8")

    def killed(file: Path, text: str, **more: Any) -> int:
        with file.open("w", encoding="utf-8") as opened:
            opened.write(text[: len(text) // 2])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", killed)
    for wanted in (path, tmp_path / cell(1).name / "scores.json"):
        with pytest.raises(KeyboardInterrupt):
            evaluation.to_json(wanted)
    assert path.read_text(encoding="utf-8") == before
    assert not run_finished(RunFolder(tmp_path / cell(1).name))


def test_weights_selected_on_test_are_rows_of_their_own_and_the_page_says_so(tmp_path: Path) -> None:
    training = cell(0)
    finish(tmp_path, training, {"a": 0.8}, "paper: last step")
    finish(tmp_path, training, {"a": 0.9}, "paper: selected on test", "scores-selected.json")
    rows = rows_of(read_scores([training], tmp_path))
    assert [(row.weights, row.protocol) for row in rows] == [("last", "paper: last step"), ("selected", "paper: selected on test")]
    page = markdown("grid", rows, State(tmp_path, [training]))
    assert "**Some weights were selected on the test cases**" in page
    assert "HD95 voxel" in page  # as published
    assert "Not finished" not in page


def test_what_is_missing_is_named_with_its_error(tmp_path: Path) -> None:
    state = State(tmp_path, [cell(0), cell(1)])
    state.set(cell(1).name, "running")
    state.set(cell(1).name, "failed", "p: no such folder.")
    page = markdown("grid", [], state)
    assert "Not finished: 2 of 2 trainings." in page
    assert "- P/cml-4-d0-s1: failed after 1 attempts: p: no such folder." in page


def test_the_time_left_is_that_of_the_same_method_where_it_has_begun(tmp_path: Path) -> None:
    trainings = [cell(0), cell(1), cell(0, method="supervised")]
    run = make_run({"training": {"steps": 100}})
    runs = {training.name: run for training in trainings}
    assert estimate(trainings, runs, tmp_path, 1).seconds is None
    finish(tmp_path, trainings[0], {"a": 0.8})  # 60 s for 100 steps
    found = estimate(trainings, runs, tmp_path, 2)
    assert (found.done, found.total) == (100, 300)
    assert found.seconds == pytest.approx(60)  # 200 steps of 0.6 s, two at a time
    log = RunFolder(tmp_path / trainings[2].name)
    log.write_text("log.csv", "step,seconds,loss\n50,5.0,1\n")
    assert estimate(trainings, runs, tmp_path, 1).seconds == pytest.approx(60 + 50 * 0.1)
