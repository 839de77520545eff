"""From scans that are labelled in a few slices to a trained model and its scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from semiseg.case import IGNORE
from semiseg.cli import app
from semiseg.config import Run
from semiseg.data.folder import open_folder
from semiseg.data.formats import read_label, write_label
from semiseg.data.phantom import write_phantom
from semiseg.training.job import Job, make_job, sealed_split

CLI = CliRunner()
TINY = ["--set", "network.width=4", "--set", "training.labeled_batch=2", "--set", "training.unlabeled_batch=2", "--device", "cpu"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two training scans, of which a few slices are labelled (none of a third scan), and a test scan with a border of 9 in its label."""
    folder = tmp_path / "scans"
    write_phantom(folder, cases=3, labeled=2, test=1, shape=(24, 24, 20))
    names = [f"phantom_{i:03d}" for i in range(4)]
    reference, geometry = read_label(folder / "labels" / f"{names[3]}.nii.gz")
    reference[:, :, :5] = 9
    write_label(folder / "labels" / f"{names[3]}.nii.gz", reference, geometry)
    rows = [f"images/{name}.nii.gz,{{}}" for name in names]
    cells = [f"labels/{names[0]}.nii.gz,train,8-10;12", f"labels/{names[1]}.nii.gz,train,9", ",train,", f"labels/{names[3]}.nii.gz,test,"]
    head = "# classes: [chamber]\n# ignore: 9\nimage,label,split,labeled_slices\n"
    (folder / "manifest.csv").write_text(head + "\n".join(row.format(cell) for row, cell in zip(rows, cells, strict=True)))
    return folder


def test_partly_labelled_scans_are_trained_on_scored_and_checked(folder: Path, tmp_path: Path) -> None:
    line = ["train", str(folder / "manifest.csv"), "--method", "mean-teacher", "--steps", "3", "--out", str(tmp_path / "run"), *TINY]
    done = CLI.invoke(app, [*line, "--set", "training.patch=[32, 16, 16]", "--json"])
    assert done.exit_code == 0, done.stderr
    assert "3 training cases, 2 with a label (2 of them in part); 1 test" in done.stderr
    scored = json.loads((tmp_path / "run" / "scores.json").read_text(encoding="utf-8"))["cases"]
    assert [row["ignored_voxels"] for row in scored] == [24 * 24 * 5]
    losses = np.genfromtxt(tmp_path / "run" / "log.csv", delimiter=",", names=True)["loss"]
    assert np.isfinite(losses).all()
    checked = CLI.invoke(app, ["check", str(folder / "manifest.csv")])
    assert "nothing wrong" in checked.stdout


def test_without_a_wholly_unlabelled_scan_the_rest_of_the_labelled_ones_is_learnt_from(folder: Path, tmp_path: Path) -> None:
    table = (folder / "manifest.csv").read_text(encoding="utf-8")
    (folder / "manifest.csv").write_text("\n".join(row for row in table.splitlines() if ",,train," not in row))
    line = ["train", str(folder / "manifest.csv"), "--method", "cml", "--steps", "4", "--out", str(tmp_path / "run"), *TINY]
    done = CLI.invoke(app, [*line, "--set", "training.patch=[32, 16]", "--no-test"])
    assert done.exit_code == 0, done.stderr


def job(folder: Path, method: str, patch: list[int], slice_axis: int | None = None) -> Job:
    dataset = open_folder(folder / "manifest.csv")
    run = Run.model_validate(
        {
            "method": method,
            "data": {"classes": ["chamber"], "channels": 1},
            "preparation": {"slice_axis": slice_axis},
            "training": {"patch": patch, "labeled_batch": 2, "unlabeled_batch": 2},
        }
    )
    return make_job(run, dataset, sealed_split(dataset, run), show=False)


def test_slices_that_nobody_labelled_are_unlabelled_slices_in_2d(folder: Path) -> None:
    made = job(folder, "cml", [16, 16], slice_axis=2)
    assert [item.id for item in made.labeled] == [f"phantom_000#{k}" for k in (8, 9, 10, 12)] + ["phantom_001#9"]
    assert len(made.unlabeled) == (20 - 4) + (20 - 1) + 20
    assert job(folder, "supervised", [16, 16], slice_axis=2).unlabeled == []


def test_every_labelled_patch_in_3d_holds_labelled_voxels(folder: Path) -> None:
    made = job(folder, "cml", [16, 16, 8])
    assert [item.id for item in made.unlabeled] == ["phantom_000", "phantom_001", "phantom_002"]
    assert all(item.label is None for item in made.unlabeled)
    loader = made.loader(torch.device("cpu"))
    for step in range(10):
        assert (loader(step).labeled.label != IGNORE).flatten(1).any(1).all()
