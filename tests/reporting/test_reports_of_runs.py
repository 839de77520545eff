"""Reports on run folders: grouped by what differs, with intervals, tests, tables in three forms, and pictures where the scans are."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_kit import box, finished
from typer.testing import CliRunner

from semiseg.case import Case
from semiseg.cli import app
from semiseg.errors import DataError, RunFolderError
from semiseg.evaluation.gain import measured
from semiseg.evaluation.results import Evaluation
from semiseg.evaluation.statistics import holm
from semiseg.reporting.bought import gain_lines
from semiseg.reporting.comparison import report
from semiseg.reporting.contrasts import contrasts, control_of, every_pair, fields, unequal
from semiseg.reporting.distribution import case_distribution, stacked
from semiseg.reporting.evidence import chance, provenance_remark, spread_table, worst_table
from semiseg.reporting.html import render
from semiseg.reporting.pair import right_shares, who_is_right
from semiseg.reporting.ranking import selected
from semiseg.reporting.runs import Training, find_test_cases, grouped, read_training, training_names
from semiseg.run_folder import RunFolder

CLI = CliRunner()
RIGHT, SHIFTED = [box(6), box(7), box(8)], [box(6, 1), box(7, 1), box(8, 1)]
MISSED = [np.where(box(6) == 2, 0, box(6)), box(7), box(8)]


@pytest.fixture
def folders(tmp_path: Path, test_cases: list[Case], scans_folder: Path) -> dict[str, Path]:
    """Two seeds of CML and one control, given in that order."""
    made = {
        "cml-0": finished(tmp_path / "cml-0", "cml", test_cases, RIGHT, scans_folder, seed=0),
        "cml-1": finished(tmp_path / "cml-1", "cml", test_cases, MISSED, scans_folder, seed=1),
        "control": finished(tmp_path / "control", "supervised", test_cases, SHIFTED, scans_folder, seed=0),
    }
    return {name: folder.path for name, (folder, _) in made.items()}


def test_seeds_go_together_and_the_control_comes_first(folders: dict[str, Path]) -> None:
    groups = grouped(map(read_training, folders.values()))
    assert [(group.name, len(group.trainings)) for group in groups] == [("Supervised-only", 1), ("CML", 2)]
    table = spread_table(groups)
    mean = next(row for row in table.rows if row[:2] == ("CML", "mean"))
    assert mean[2:4] == ("2", "0.917")  # of 1 and (0.5 + 1 + 1) / 3
    assert mean[5] == "0.118"  # over trainings: of 1 and 0.8333, 0.1667 / sqrt(2)
    assert mean[6] == "0.144"  # over scans: of 0.75, 1, 1
    assert mean[7] == "1"
    (contrast,) = contrasts(groups)
    assert (contrast.group.name, contrast.control.name, list(contrast.classes)) == ("CML", "Supervised-only", ["organ", "vessel", "mean"])
    assert contrast.classes["organ"].better == 3
    assert contrast.classes["organ"].p_holm == pytest.approx(min(1.0, 3 * contrast.classes["organ"].p))


def test_budgets_are_told_apart_and_compared_each_with_its_own_control(tmp_path: Path, test_cases: list[Case]) -> None:
    runs = [
        finished(tmp_path / f"{method}-{labeled}", method, test_cases, RIGHT, labeled=labeled)
        for method in ("cml", "supervised")
        for labeled in (2, 1)
    ]
    groups = grouped(runs)
    assert [group.name for group in groups] == [
        "Supervised-only, 1 labelled",
        "CML, 1 labelled",
        "Supervised-only, 2 labelled",
        "CML, 2 labelled",
    ]
    found = contrasts(groups)
    assert [contrast.control.name for contrast in found] == ["Supervised-only, 1 labelled", "Supervised-only, 2 labelled"]
    assert "CML, 1 labelled against Supervised-only, 1 labelled" in report("Budgets", groups, test_cases).summary


def test_a_method_whose_unlabelled_part_is_switched_off_measures_no_gain(tmp_path: Path, test_cases: list[Case]) -> None:
    runs = [
        finished(tmp_path / "off", "cml", test_cases, RIGHT, mutual_learning="off"),
        finished(tmp_path / "on", "cml", test_cases, RIGHT),
        finished(tmp_path / "control", "supervised", test_cases, RIGHT),
    ]
    groups = grouped(runs)
    assert [(group.folder.path.name, group.uses_unlabeled) for group in groups] == [("control", False), ("off", False), ("on", True)]
    found = {contrast.group.folder.path.name: contrast for contrast in contrasts(groups)}
    assert {name: (contrast.control.folder.path.name, contrast.is_gain) for name, contrast in found.items()} == {
        "off": ("control", False),
        "on": ("control", True),
    }
    gains = gain_lines(groups, list(found.values()))
    assert len(gains) == 3  # the last says that one training of each is no verdict
    assert "Supervised-only" in gains[0]
    assert gains[1].endswith("against CML, mutual_learning off: the method without unlabelled scans.")


def test_the_page_has_every_part(folders: dict[str, Path], test_cases: list[Case]) -> None:
    page = report("Page", grouped(map(read_training, folders.values())), test_cases)
    assert [section.title for section in page.sections] == [
        "Scores",
        "Every training",
        "What the unlabelled scans bought",
        "Order of the methods",
        "Differences",
        "Every test scan",
        "Pictures",
        "Training",
        "Protocol",
        "Settings",
        "Environment",
    ]
    assert "CML, seed 1" in render(page)
    assert "means over 2 and 1 trainings" in page.summary
    assert page.protocol.startswith("Protocol “sealed, last step”")
    assert page.origin == {"protocol": "sealed, last step", "seeds": "0, 1", "draws": "0", "data": "0123456789abcdef", "version": "0.1"}


def test_worst_scans_and_p_values_are_told_as_people_write_them(folders: dict[str, Path]) -> None:
    table = worst_table(grouped(map(read_training, folders.values())))
    assert table.head == ("Scan", "Supervised-only", "CML")
    assert table.rows[0][0] == "scan_0"  # where one seed missed a class
    assert [chance(p) for p in (0.00001, 0.0312, 0.5, float("nan"))] == ["< 0.0001", "0.0312", "0.50", "–"]


def test_runs_on_other_scans_are_not_compared(tmp_path: Path, folders: dict[str, Path], test_cases: list[Case]) -> None:
    fewer = finished(tmp_path / "fewer", "supervised", test_cases[:2], SHIFTED[:2])
    with pytest.raises(DataError, match="scored on the same test cases"):
        report("Page", grouped([fewer, read_training(folders["cml-0"])]), ())


def test_what_is_not_known_is_said(folders: dict[str, Path]) -> None:
    folder, evaluation = read_training(folders["cml-0"])
    old = Evaluation(evaluation.classes, evaluation.cases)
    assert "made by an older version" in provenance_remark(grouped([(folder, old)]))
    assert gain_lines(grouped([(folder, old)]), [])[0].endswith(f"semiseg train --resume {folder.path} --control`.")
    control = read_training(folders["control"])[1]
    folder.write_json("gain.json", {**measured(evaluation, control).as_dict(), "sentence": "The unlabelled scans helped."})
    (told,) = gain_lines(grouped([(folder, old)]), [])
    assert told.startswith("CML: In these two trainings the run with the unlabelled scans was ahead of the supervised control: +")


def test_dots_beside_each_other_keep_their_values_and_their_row() -> None:
    assert stacked([0.5, 0.9]).tolist() == [0, 0]
    assert stacked([0.5, 0.5, 0.9]).tolist() == pytest.approx([-0.06, 0.06, 0])
    assert np.abs(stacked([0.5] * 100)).max() <= 0.3
    light, dark = (case_distribution({"CML": [0.5, 0.7, 0.7]}, dark) for dark in (False, True))
    assert light.startswith(b"\x89PNG")
    assert light != dark


def test_the_report_command_writes_the_page_and_its_tables(tmp_path: Path, folders: dict[str, Path]) -> None:
    done = CLI.invoke(app, ["report", *map(str, folders.values()), "--to", str(tmp_path / "out")])
    assert done.exit_code == 0, done.stderr
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert done.stdout.startswith("On 3 test scans, CML reached")
    assert "Median case" in page
    assert (tmp_path / "out" / "tables" / "tables.md").read_text(encoding="utf-8").startswith("# Supervised-only, CML\n\nOn 3 test scans")
    assert (tmp_path / "out" / "tables" / "tables.tex").read_text(encoding="utf-8").count(r"\begin{table}") == page.count("<table>")
    with (tmp_path / "out" / "tables" / "differences-1.csv").open(newline="") as file:
        assert [row["Class"] for row in csv.DictReader(file)] == ["organ", "vessel", "mean"]


def test_without_the_scans_the_report_goes_without_pictures(folders: dict[str, Path], scans_folder: Path) -> None:
    shutil.rmtree(scans_folder)
    done = CLI.invoke(app, ["report", str(folders["cml-0"]), "--json"])
    assert done.exit_code == 0, done.stderr
    assert "goes without pictures" in done.stderr
    assert json.loads(done.stdout)["report"] == str(folders["cml-0"] / "report.html")  # beside the run itself
    assert "No pictures: " in (folders["cml-0"] / "report.html").read_text(encoding="utf-8")


def test_a_page_to_be_published_holds_no_picture_of_a_scan(tmp_path: Path, folders: dict[str, Path]) -> None:
    pages = {}
    for option in ("--scans", "--no-scans"):
        done = CLI.invoke(app, ["report", *map(str, folders.values()), "--to", str(tmp_path / option), option])
        assert (done.exit_code, "without pictures" in done.stderr) == (0, False), done.stderr
        pages[option] = (tmp_path / option / "report.html").read_text(encoding="utf-8")
    assert "Median case" not in pages["--no-scans"]
    assert "they were left out with --no-scans" in pages["--no-scans"]
    assert 0 < pages["--no-scans"].count("<img") < pages["--scans"].count("<img")  # figures of scores stay


def test_a_run_without_scores_says_what_to_do(folders: dict[str, Path], tmp_path: Path) -> None:
    (folders["cml-0"] / "scores.json").unlink()
    with pytest.raises(RunFolderError, match="has no scores yet"):
        read_training(folders["cml-0"])
    assert "not a run folder" in CLI.invoke(app, ["report", str(tmp_path / "nothing")]).stderr


def test_scans_that_were_arrays_or_are_gone_are_not_found(
    folders: dict[str, Path], scans_folder: Path, tmp_path: Path, test_cases: list[Case]
) -> None:
    assert [case.id for case in find_test_cases(RunFolder(folders["cml-0"]))] == ["scan_0", "scan_1", "scan_2"]
    (scans_folder / "test.list").write_text("scan_0\n")
    with pytest.raises(DataError, match="holds no test scan scan_1 any more"):
        find_test_cases(RunFolder(folders["cml-0"]))
    with pytest.raises(DataError, match="arrays in memory"):
        find_test_cases(finished(tmp_path / "arrays", "cml", test_cases, RIGHT)[0])


def test_two_runs_are_compared_scan_by_scan(tmp_path: Path, folders: dict[str, Path]) -> None:
    line = ["compare", str(folders["cml-1"]), str(folders["control"]), "--to", str(tmp_path / "pair")]
    done = CLI.invoke(app, line)
    assert done.exit_code == 0, done.stderr
    assert "CML less Supervised-only" in done.stdout
    assert "better in 2 of 3 test scans" in done.stdout
    page = (tmp_path / "pair" / "compare.html").read_text(encoding="utf-8")
    assert "scan_0, difference -0." in page  # the class that was missed
    assert "Where they differ most" in page
    told = json.loads(CLI.invoke(app, [*line, "--json"]).stdout)
    vessel = told["differences"]["Dice"][1]
    assert (vessel["Class"], vessel["Better"], vessel["Worse"]) == ("vessel", "2", "1")
    assert [row["Equal"] for row in told["differences"]["HD95 [mm]"]] == ["0", "0", "0"]


def test_several_seeds_of_two_methods_are_compared(tmp_path: Path, folders: dict[str, Path], test_cases: list[Case]) -> None:
    finished(tmp_path / "control-1", "supervised", test_cases, SHIFTED, seed=1)
    runs = [str(path) for path in (*folders.values(), tmp_path / "control-1")]
    told = json.loads(CLI.invoke(app, ["compare", *runs, "--to", str(tmp_path / "pair"), "--json"]).stdout)
    assert told["summary"].startswith("CML less Supervised-only: +")
    assert told["summary"].endswith("; means over 2 trainings of each.")
    assert "*" not in told["differences"]["Dice"][0]["95 % interval"]
    other = finished(tmp_path / "bcp", "bcp", test_cases, RIGHT)[0].path
    refused = CLI.invoke(app, ["compare", *runs, str(other), "--to", str(tmp_path / "none")])
    assert "these are 5 of 3: CML, Supervised-only, BCP" in " ".join(refused.stderr.split())
    assert CLI.invoke(app, ["compare", runs[0]]).exit_code == 2


def test_two_runs_of_one_method_are_told_apart_by_folder(tmp_path: Path, folders: dict[str, Path]) -> None:
    done = CLI.invoke(app, ["compare", str(folders["cml-0"]), str(folders["cml-1"]), "--to", str(tmp_path / "pair"), "--json"])
    assert json.loads(done.stdout)["summary"].startswith("CML (cml-0) less CML (cml-1): +0.167 Dice")


def test_a_folder_of_runs_is_one_page_and_what_is_not_finished_is_said(tmp_path: Path, folders: dict[str, Path]) -> None:
    (folders["cml-1"] / "scores.json").unlink()
    done = CLI.invoke(app, ["report", str(tmp_path), "--no-maps", "--to", str(tmp_path / "out")])
    assert done.exit_code == 0, done.stderr
    assert f"1 of 3 runs have no scores yet and are left out: {folders['cml-1']}." in done.stderr
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "CML: in these two trainings CML was ahead of Supervised-only: +" in page
    assert "Maps of where a method is unsure" in page


def test_runs_on_other_scans_get_a_page_of_their_own(tmp_path: Path, folders: dict[str, Path], test_cases: list[Case]) -> None:
    finished(tmp_path / "fewer", "supervised", test_cases[:2], SHIFTED[:2])
    done = CLI.invoke(app, ["report", str(tmp_path), "--no-maps", "--to", str(tmp_path / "out"), "--json"])
    told = json.loads(done.stdout)["pages"]
    assert [Path(page["report"]).parent.name for page in told] == ["report-1", "report-2"]


def test_selected_weights_stand_beside_the_last_step(folders: dict[str, Path], test_cases: list[Case]) -> None:
    folder, last = read_training(folders["cml-1"])
    better = read_training(folders["cml-0"])[1]
    source = last.provenance
    assert source is not None
    replace(better, provenance=replace(source, protocol="paper: selected on test")).to_json(folder.path / "scores-selected.json")
    (section,) = selected(grouped([(folder, last)]))
    mean = section.tables[0][1].rows[-1]
    assert mean[:7] == ("CML", "mean", "paper: selected on test", "1", "0.833", "1.000", "+0.167")  # one of six classes was missed
    titles = [section.title for section in report("Page", grouped([(folder, last)]), test_cases).sections]
    assert "Selected weights against the last step" in titles


def test_folds_are_one_training_over_all_cases(tmp_path: Path, test_cases: list[Case]) -> None:
    folds = [finished(tmp_path / f"fold-{i}", "cml", [case], [mask]) for i, (case, mask) in enumerate(zip(test_cases, MISSED, strict=True))]
    for i, (folder, _) in enumerate(folds):
        run = folder.run()
        folder.write_text("run.yaml", run.model_copy(update={"data": run.data.model_copy(update={"fold": f"{i + 1}/3"})}).to_yaml())
    (group,) = grouped(folds)
    assert [len(evaluation.cases) for evaluation in group.evaluations] == [3]
    assert training_names(group)[2] == "CML, seed 0, fold 3/3"
    assert spread_table([group]).rows[-1][2:4] == ("1", "0.833")


def test_a_published_table_that_is_not_there_is_named_with_the_nearest(folders: dict[str, Path]) -> None:
    done = CLI.invoke(app, ["report", str(folders["cml-0"]), "--no-maps", "--published", "la-9"])
    assert done.exit_code == 1
    assert "--published la-9: no such table (did you mean 'la-" in done.stderr


def relabelled(training: Training, **settings: Any) -> Training:
    """The same training under other settings of its `training` section, or another draw or protocol."""
    folder, evaluation = training
    run, source = folder.run(), evaluation.provenance
    assert source is not None
    draw, protocol = settings.pop("draw", run.data.draw), settings.pop("protocol", source.protocol)
    parts = {"training": run.training.model_copy(update=settings), "data": run.data.model_copy(update={"draw": draw})}
    folder.write_text("run.yaml", run.model_copy(update=parts).to_yaml())
    return folder, replace(evaluation, provenance=replace(source, protocol=protocol, draw=draw))


def test_a_control_with_other_settings_measures_no_gain(tmp_path: Path, test_cases: list[Case]) -> None:
    def trained(name: str, method: str, **settings: Any) -> Training:
        return relabelled(finished(tmp_path / name, method, test_cases, RIGHT if method == "cml" else SHIFTED), **settings)

    long, short, equal = trained("a", "cml", steps=900), trained("b", "supervised", steps=300), trained("c", "supervised", steps=900)
    groups = grouped([long, short])
    assert unequal(groups[1], groups[0]) == ["steps 900 / 300"]
    (line,) = gain_lines(groups, contrasts(groups))
    assert line.endswith("a supervised run with other settings (steps 900 / 300): no measure of the unlabelled scans.")
    assert report("Page", groups, (), "not shown").summary.endswith("their settings differ: steps 900 / 300.")
    both = grouped([long, short, equal])
    assert [contrast.is_gain for contrast in contrasts(both)] == [False, True]  # the short control against the other, CML
    found = control_of(both[2], both)
    assert found is not None
    assert found.runs[0].training.steps == 900  # the one of equal budget, though it is not the first
    other_draw = grouped([long, relabelled(equal, draw=1)])
    assert unequal(other_draw[1], other_draw[0]) == ["label draws 0 / 1"]
    assert "with 2 labelled scans" in report("Page", other_draw, (), "not shown").summary  # not the same ones


def test_protocols_are_ranked_and_tested_each_on_its_own(tmp_path: Path, test_cases: list[Case]) -> None:
    paper = "paper: selected on test"
    runs = [
        finished(tmp_path / "supervised", "supervised", test_cases, SHIFTED),
        finished(tmp_path / "cml", "cml", test_cases, RIGHT),
        relabelled(finished(tmp_path / "bcp", "bcp", test_cases, RIGHT), protocol=paper),
        relabelled(finished(tmp_path / "mean-teacher", "mean-teacher", test_cases, MISSED), protocol=paper),
    ]
    groups = grouped(runs)
    assert [[group.name for group in field] for field in fields(groups)] == [["Supervised-only", "CML"], ["BCP", "Mean Teacher"]]
    assert [(each.group.name, each.control.name) for each in contrasts(groups)] == [("CML", "Supervised-only"), ("Mean Teacher", "BCP")]
    page = report("Page", groups, (), "not shown")
    assert "must not be ranked against each other" in page.protocol
    order = next(section for section in page.sections if section.title == "Order of the methods")
    assert [[row[0] for row in table.rows] for _, table in order.tables] == [["CML", "Supervised-only"], ["BCP", "Mean Teacher"]]
    assert "under “paper: selected on test”" in order.tables[1][0]
    assert "another seed would change is not in this order" in order.tables[0][0]
    (line, *_) = [line for line in gain_lines(groups, contrasts(groups)) if line.startswith("BCP")]
    assert "not known" in line  # there is no control under its protocol


def test_every_pair_of_methods_is_tested_and_corrected_together(tmp_path: Path, test_cases: list[Case]) -> None:
    masks = {"supervised": SHIFTED, "cml": RIGHT, "bcp": MISSED}
    groups = grouped(finished(tmp_path / method, method, test_cases, own) for method, own in masks.items())
    found = every_pair(groups)
    assert [(each.group.name, each.control.name) for each in found] == [
        ("Supervised-only", "CML"),
        ("Supervised-only", "BCP"),
        ("CML", "BCP"),
    ]
    assert [each.overall.p_holm for each in found] == holm([each.overall.p for each in found])
    section = next(section for section in report("Page", groups, (), "not shown").sections if section.title == "Every pair")
    assert "not of other seeds" in section.text
    assert [row[:2] for row in section.tables[0][1].rows] == [(each.group.name, each.control.name) for each in found]


def test_who_is_right_where_two_differ() -> None:
    contrast = who_is_right(np.array([0, 1, 0, 2, 1]), np.array([0, 0, 1, 1, 2]), np.array([1, 1, 1, 0, 2]))
    assert contrast.tolist() == [0, 1, 2, 3, 2]  # alike though wrong; the first; the second; neither; the second
    assert right_shares(contrast) == (0.25, 0.5)
    assert right_shares(np.zeros(3)) == (0, 0)
