"""`semiseg predict` with several runs, mirrored patches and maps, as a person calls it."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import torch
from typer.testing import CliRunner

from semiseg.cli import app
from semiseg.config import make_run
from semiseg.run_folder import RunFolder

CLI = CliRunner()


def save_run(folder: Path, classes: list[str], seed: int) -> Path:
    torch.manual_seed(seed)
    values = {"method": "supervised", "data": {"channels": 1, "classes": classes}, "network": {"width": 4}, "training": {"patch": [16, 16]}}
    run = make_run(values, {"preparation": {"slice_axis": 2}})
    RunFolder.create(folder, run).save_weights(run.build())
    return folder


def test_runs_are_averaged_and_maps_written(tmp_path: Path) -> None:
    runs = [save_run(tmp_path / f"run{seed}", ["one", "two"], seed) for seed in range(3)]
    image = np.random.default_rng(0).normal(size=(20, 18, 3)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(image, np.diag([1.0, 2.0, 3.0, 1.0])), tmp_path / "scan.nii.gz")
    line = ["predict", str(runs[0]), str(tmp_path / "scan.nii.gz"), "--with", str(runs[1]), "--with", str(runs[2]), "--device", "cpu"]
    done = CLI.invoke(app, [*line, "--to", str(tmp_path / "a"), "--flips", "--uncertainty", "--probabilities", "--json"])
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["predicted"], told["skipped"], told["failed"]) == (1, 0, 0)
    assert (told["files"][0]["status"], told["files"][0]["message"]) == ("predicted", "")
    files = sorted(path.relative_to(tmp_path / "a").as_posix() for path in (tmp_path / "a").rglob("*.nii.gz"))
    assert files == ["probabilities/one/scan.nii.gz", "probabilities/two/scan.nii.gz", "scan.nii.gz", "uncertainty/scan.nii.gz"]


def test_scans_unlike_those_of_the_training_are_one_warning_a_kind(tmp_path: Path) -> None:
    run = save_run(tmp_path / "run", ["one"], 0)
    for name, sides in {"a": (1.0, 1.0, 9.0), "b": (1.0, 2.0, 3.0), "c": (-1.0, 2.0, -3.0)}.items():
        image = np.random.default_rng(0).normal(size=(20, 18, 3)).astype(np.float32)
        (tmp_path / "scans").mkdir(exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(image, np.diag([*sides, 1.0])), tmp_path / "scans" / f"{name}.nii.gz")
    line = ["predict", str(run), str(tmp_path / "scans"), "--to", str(tmp_path / "masks"), "--device", "cpu", "--overwrite"]
    assert CLI.invoke(app, line).stderr == ""  # a run that says nothing of its scans
    spacing = {"smallest": [1.0, 1.0, 3.0], "median": [1.0, 1.0, 3.0], "largest": [1.0, 1.2, 3.0]}
    RunFolder.open(run).write_json("plan.json", {"data": {"spacing_mm": spacing, "axes": {"RAS": 7}}})
    done = CLI.invoke(app, [*line, "--json"])
    size, axes = json.loads(done.stdout)["warnings"]
    assert size.startswith("2 of 3 scans have voxels of another size than the training scans, by more than a factor of 1.5")
    assert "b.nii.gz: 1 x 2 mm; training scans: 1 x 1 to 1 x 1.2 mm" in size  # of a slice: their distance is no matter
    assert axes.startswith("1 of 3 scans have axes that run otherwise")
    assert "c.nii.gz: LAI; training scans: RAS" in axes
    assert done.stderr == f"warning: {size}\nwarning: {axes}\n"
    files = {Path(file["source"]).name: [one["kind"] for one in file["differences"]] for file in json.loads(done.stdout)["files"]}
    assert files == {"a.nii.gz": [], "b.nii.gz": ["voxel size"], "c.nii.gz": ["voxel size", "axes"]}


def test_a_file_in_the_place_of_the_masks_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "masks").touch()
    done = CLI.invoke(app, ["predict", str(tmp_path / "no run"), "scan.nii.gz", "--to", str(tmp_path / "masks")])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"{tmp_path / 'masks'}: is a file. Name a folder with --to.\n"


def test_runs_of_other_classes_are_one_sentence(tmp_path: Path) -> None:
    one, other = save_run(tmp_path / "one", ["a"], 0), save_run(tmp_path / "other", ["b"], 0)
    done = CLI.invoke(app, ["predict", str(one), "scan.nii.gz", "--with", str(other), "--to", str(tmp_path / "masks")])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"{other}: has classes ('b',), and {one} has ('a',). Only runs with the same ones can be averaged.\n"
