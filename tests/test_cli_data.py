"""What the command line says and takes of data: label maps, manifests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from semiseg.case import Geometry
from semiseg.cli import app
from semiseg.cli.label_map import parse_label_map
from semiseg.config import make_run
from semiseg.data.formats import write_label

CLI = CliRunner()


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Three scans, two of them with masks of 0 and 255."""
    cube = np.zeros((16, 16, 16), np.uint8)
    cube[4:12, 4:12, 4:12] = 255
    for k, name in enumerate("abc"):
        image = cube // 2 + np.random.default_rng(k).integers(0, 50, cube.shape)
        write_label(tmp_path / "scans" / "images" / f"{name}.nrrd", image, Geometry())
        if name != "c":
            write_label(tmp_path / "scans" / "labels" / f"{name}.nrrd", cube, Geometry())
    return tmp_path / "scans"


def test_label_maps_are_read_as_people_write_them() -> None:
    assert parse_label_map("255:1,3:0, -1:0") == {255: 1, 3: 0, -1: 0}
    for text in ("255", "255=1", "a:1", "", "1:2:3"):
        with pytest.raises(typer.BadParameter, match="expected value:class pairs"):
            parse_label_map(text)
    run = make_run({"data": {"label_map": {255: 1}}})
    assert make_run(json.loads(json.dumps(run.model_dump(mode="json")))) == run


def test_a_manifest_is_written_once(scans: Path) -> None:
    line = ["manifest", str(scans), "--to", str(scans / "manifest.csv")]
    done = CLI.invoke(app, line)
    assert done.exit_code == 0
    assert "read as images/ and labels/: 3 training cases, 2 with a label" in done.stdout
    assert "c,images/c.nrrd,,,train" in (scans / "manifest.csv").read_text(encoding="utf-8")
    assert "exists already" in CLI.invoke(app, line).stderr
    again = CLI.invoke(app, [*line[:-1], str(scans / "other.yaml"), "--json"])
    assert json.loads(again.stdout) == {
        "manifest": str(scans / "other.yaml"),
        "layout": "manifest",
        "cases": {"train": 3, "validation": 0, "test": 0},
    }


def test_evaluate_takes_a_label_map(scans: Path) -> None:
    line = ["evaluate", str(scans / "labels"), str(scans / "labels")]
    failed = CLI.invoke(app, line)
    assert failed.exit_code == 1
    assert "--label-map 255:1" in failed.stderr
    write_label(scans / "masks" / "a.nrrd", np.pad(np.ones((8, 8, 8)), 4), Geometry())
    (scans / "labels" / "b.nrrd").unlink()
    done = CLI.invoke(app, ["evaluate", str(scans / "masks"), str(scans / "labels"), "--label-map", "255:1", "--json"])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["summary"]["class_1"]["dice"]["mean"] == 1
    line = ["evaluate", str(scans / "labels"), str(scans / "labels"), "--label-map", "255:1", "--json"]
    failed = CLI.invoke(app, line)
    assert "--prediction-label-map 255:1" in failed.stderr
    done = CLI.invoke(app, [*line, "--prediction-label-map", "255:1"])
    assert json.loads(done.stdout)["summary"]["class_1"]["dice"]["mean"] == 1, done.stderr
    assert CLI.invoke(app, [*line, "--prediction-label-map", "255:ignore"]).exit_code == 2


def test_a_folder_of_nrrd_with_masks_of_255_is_trained_scored_and_predicted(scans: Path, tmp_path: Path) -> None:
    (scans / "test.list").write_text("b\n")
    line = ["train", str(scans), "--method", "supervised", "--steps", "2", "--device", "cpu", "--out", str(tmp_path / "run")]
    small = ["--set", "network.width=4", "--set", "training.patch=[32, 16, 16]"]
    failed = CLI.invoke(app, [*line, *small])
    assert failed.exit_code == 1
    assert "--label-map 255:1" in failed.stderr
    done = CLI.invoke(app, [*line, *small, "--label-map", "255:1", "--json"])
    assert done.exit_code == 0, done.stderr
    assert "scans, read as images/ and labels/: 2 training cases, 1 with a label; 1 test; label values 255 as 1" in done.stderr
    assert json.loads(done.stdout)["evaluation"]["classes"] == ["class_1"]
    predicted = CLI.invoke(app, ["predict", str(tmp_path / "run"), str(scans), "--to", str(tmp_path / "masks"), "--device", "cpu"])
    assert predicted.exit_code == 0, predicted.stderr
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == ["a.nrrd", "b.nrrd", "c.nrrd"]
