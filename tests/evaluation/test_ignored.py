"""Scores where the reference is not labelled everywhere."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from semiseg.case import IGNORE, Array, Geometry, LabeledPart
from semiseg.cli import app
from semiseg.data.formats import write_label
from semiseg.errors import DataError
from semiseg.evaluation.evaluate import Pair, evaluate
from semiseg.evaluation.metrics import class_scores, scores
from semiseg.evaluation.results import Evaluation


def row(*values: int) -> Array:
    return np.array([values], np.int16)  # (1, N)


def test_ignored_voxels_are_in_no_mask_and_counted() -> None:
    prediction, reference = row(1, 1, 1, 0, 1, 1), row(1, 1, 0, 0, IGNORE, IGNORE)
    (score,) = scores(prediction, reference, ["thing"])
    assert score.dice == pytest.approx(2 * 2 / (3 + 2))
    assert (score.prediction_voxels, score.reference_voxels, score.ignored_voxels) == (3, 2, 2)


def test_a_mask_has_no_surface_where_it_meets_what_nobody_labelled() -> None:
    full, cut = np.zeros((9, 20), bool), np.zeros((9, 20), bool)
    full[2:7, 3:12] = True
    cut[3:8, 3:12] = True
    ignored = np.zeros_like(full)
    ignored[:, 8:] = True
    score = class_scores(cut, full, ignored=ignored)
    # 5 rows and 5 columns remain of each, open to the right: surfaces of 5 + 2 * 4 voxels, moved by one row against each other
    whole = class_scores(cut[:, :8], full[:, :8])  # cut off there, the borders of both would count as well
    assert score.dice == whole.dice == pytest.approx(2 * 20 / 50)
    assert score.asd_voxel == pytest.approx(9 / 13)  # 4 voxels of the left column lie on the other's; 5 + 4 are 1 off
    assert score.asd_voxel > whole.asd_voxel


def test_without_a_known_surface_there_is_no_distance() -> None:
    (score,) = scores(row(1, 1, 0, 1), row(1, IGNORE, IGNORE, 1), ["thing"])
    assert score.dice == 1
    assert score.asd_voxel == 0  # both end at the border of the scan
    inner = np.full((3, 3), IGNORE, np.int16)
    inner[1, 1] = 1
    (score,) = scores(np.ones((3, 3), np.int16), inner, ["thing"])
    assert (score.status, score.dice) == ("ok", 1)
    assert np.isnan([score.hd95_voxel, score.asd_voxel, score.assd_voxel]).all()


def test_a_reference_may_count_in_part(tmp_path: Path) -> None:
    reference = np.zeros((4, 4, 6), np.uint8)
    reference[1:3, 1:3] = 1
    prediction = reference.copy()
    prediction[..., 3:] = 1
    pair = Pair("a", prediction, reference)
    assert evaluate([pair], ["thing"]).cases[0].classes[0].dice == pytest.approx(2 * 24 / (24 + 12 + 48))
    part = evaluate([replace(pair, labeled_part=LabeledPart(slices=(0, 1)))], ["thing"])
    assert part.cases[0].classes[0].dice == 1
    assert part.cases[0].classes[0].ignored_voxels == 16 * 4
    assert "64 voxels of 1 cases have no reference: left out on both sides." in part.to_text()
    part.to_json(tmp_path / "scores.json")
    assert Evaluation.from_json(tmp_path / "scores.json").cases[0].classes[0].ignored_voxels == 64
    part.to_csv(tmp_path / "scores.csv")
    assert "ignored_voxels" in (tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()[0]
    nothing = replace(pair, label_map={0: IGNORE, 1: IGNORE})
    with pytest.raises(DataError, match="reference of a: no voxel is labelled, so there is nothing to score"):
        evaluate([nothing], ["thing"])


@pytest.mark.parametrize("option", [["--ignore", "255"], ["--label-map", "255:ignore"]])
def test_the_command_line_names_the_value(tmp_path: Path, option: list[str]) -> None:
    reference = np.zeros((6, 6, 6), np.uint8)
    reference[2:4, 2:4, :3], reference[..., 3:] = 1, 255
    for folder, labels in (("masks", np.where(reference == 255, 1, reference)), ("labels", reference)):
        (tmp_path / folder).mkdir()
        write_label(tmp_path / folder / "a.nii.gz", labels, Geometry())
    done = CliRunner().invoke(app, ["evaluate", str(tmp_path / "masks"), str(tmp_path / "labels"), *option, "--json"])
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["classes"] == ["class_1"]
    assert (result["cases"][0]["dice"], result["cases"][0]["ignored_voxels"]) == (1, 108)
