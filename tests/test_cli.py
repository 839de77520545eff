from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

import semiseg
from semiseg.cli import app
from semiseg.cli.run_options import parse_seconds, parse_setting, without_none
from semiseg.config import make_run
from semiseg.networks import TwoViews, UNet
from semiseg.networks.released import SHARED_UNET
from semiseg.run_folder import RunFolder

CLI = CliRunner()


def write_image(path: Path, values: np.ndarray[Any, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)
    return path


def write_scan(path: Path, seed: int = 0) -> Path:
    return write_image(path, np.random.default_rng(seed).normal(size=(16, 16, 16)).astype(np.float32))


def write_mask(path: Path, side: int) -> Path:
    mask = np.zeros((8, 8, 8), dtype=np.uint8)
    mask[:side, :4, :4] = 1
    return write_image(path, mask)


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A 3D model that was never trained."""
    torch.manual_seed(0)
    run = make_run({"data": {"channels": 1, "classes": ["one"]}, "network": {"width": 4}, "training": {"patch": [16, 16, 16]}})
    RunFolder.create(tmp_path / "run", run).save_weights(run.build())
    return tmp_path / "run"


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    """Four scans, two of them labelled: bright cubes on noise."""
    generator = np.random.default_rng(0)
    for k in range(4):
        label = np.zeros((20, 18, 16), dtype=np.uint8)
        label[4 + k : 12 + k, 4:12, 4:12] = 1
        write_image(tmp_path / "data" / "images" / f"{k}.nii.gz", (label * 3 + generator.normal(size=label.shape)).astype(np.float32))
        if k < 2:
            write_image(tmp_path / "data" / "labels" / f"{k}.nii.gz", label)
    return tmp_path / "data"


def test_help_does_not_import_torch() -> None:
    code = "import sys; from semiseg.cli import app; app(['--help'], standalone_mode=False); print(*sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "import-weights" in done.stdout
    loaded = set(done.stderr.split())
    assert "semiseg.cli.train" in loaded
    assert not loaded & {"torch", "numpy", "scipy", "nibabel", "pydantic", "semiseg.config"}


def test_public_names_are_there_and_come_when_used() -> None:
    for name in semiseg.__all__:
        assert getattr(semiseg, name) is not None
    assert semiseg.METHODS["cml"].title == "CML"
    assert dir(semiseg) == sorted(semiseg.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'trane'"):
        getattr(semiseg, "trane")  # noqa: B009  # the name does not exist, on purpose


def test_version() -> None:
    done = CLI.invoke(app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"semiseg {semiseg.__version__}\n")


def test_an_expected_error_is_one_sentence_on_stderr_and_exit_code_1(tmp_path: Path) -> None:
    done = CLI.invoke(app, ["predict", str(tmp_path), str(write_scan(tmp_path / "a.nii.gz")), "--to", str(tmp_path / "masks")])
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr == f"{tmp_path}: not a run folder (it has no run.yaml).\n"


def test_debug_shows_where_an_error_comes_from(tmp_path: Path) -> None:
    done = CLI.invoke(app, ["methods", "nothing", "--debug"])
    assert done.exit_code == 1
    assert type(done.exception).__name__ == "SettingsError"


@pytest.mark.parametrize(
    "line",
    [
        ["train"],
        ["predict"],
        ["nothing"],
        ["train", "x", "--max-time", "soon"],
        ["train", "x", "--set", "seed"],
        ["evaluate", "a", "b", "--to", "c.xls"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(line: list[str]) -> None:
    done = CLI.invoke(app, line)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr


def test_times_are_read_as_people_write_them() -> None:
    assert [parse_seconds(text) for text in ("90s", "30m", "2h", "1h30m", "1.5h")] == [90, 1800, 7200, 5400, 5400]
    for text in ("", "90", "2d", "0s", "1.2.3h"):
        with pytest.raises(typer.BadParameter, match="is no time; expected for instance 90s"):
            parse_seconds(text)


def test_settings_are_read_as_yaml() -> None:
    assert parse_setting("training.patch=[16, 16]") == {"training": {"patch": [16, 16]}}
    assert parse_setting("inference.largest_component=true") == {"inference": {"largest_component": True}}
    assert parse_setting("seed=3") == {"seed": 3}
    assert make_run(parse_setting("training.learning_rate=1e-3")).training.learning_rate == 0.001
    for text in ("seed", "=3", "training..steps=3"):
        with pytest.raises(typer.BadParameter, match=r"expected key.path=value"):
            parse_setting(text)
    with pytest.raises(typer.BadParameter, match="not YAML"):
        parse_setting("seed=[")


def test_options_that_are_not_given_leave_a_run_file_alone() -> None:
    assert without_none({"method": None, "data": {"labeled": 0, "draw": None}}) == {"data": {"labeled": 0}}


def test_methods_lists_every_method_and_its_settings() -> None:
    listed = CLI.invoke(app, ["methods"])
    assert listed.exit_code == 0
    assert all(name in listed.stdout for name in semiseg.METHODS)
    facts = {f["name"]: f for f in json.loads(CLI.invoke(app, ["methods", "--json"]).stdout)}
    assert facts["supervised"]["parameters"]["3D"] == 9_448_866  # the V-Net of the field
    one = json.loads(CLI.invoke(app, ["methods", "cml", "--json"]).stdout)
    assert {"name": "pretrain", "default": 0.25, "allowed": "float ≥ 0, < 1"}.items() <= one["settings"][1].items()
    assert "heterogeneous | cross | own | off" in CLI.invoke(app, ["methods", "cml", "--json"]).stdout
    assert "heterogeneous" in CLI.invoke(app, ["methods", "cml"]).stdout
    unknown = CLI.invoke(app, ["methods", "cmll"])
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert "did you mean 'cml'?" in unknown.stderr


def test_predict_goes_on_after_a_bad_scan_and_says_so(tmp_path: Path, run_folder: Path) -> None:
    write_scan(tmp_path / "scans" / "a.nii.gz")
    (tmp_path / "scans" / "b.nii.gz").write_bytes(b"no scan")
    line = ["predict", str(run_folder), str(tmp_path / "scans"), "--to", str(tmp_path / "masks"), "--device", "cpu", "--uncertainty"]
    done = CLI.invoke(app, line)
    assert done.exit_code == 1
    assert "1 predicted, 1 failed" in done.stdout
    assert done.stderr.startswith("failed: ")
    assert "b.nii.gz" in done.stderr
    assert (tmp_path / "masks" / "a.nii.gz").is_file()
    assert (tmp_path / "masks" / "uncertainty" / "a.nii.gz").is_file()
    (tmp_path / "scans" / "b.nii.gz").unlink()
    again = CLI.invoke(app, [*line, "--json"])
    assert again.exit_code == 0
    assert json.loads(again.stdout)["skipped"] == 1


def test_evaluate_prints_and_writes_scores(tmp_path: Path) -> None:
    write_mask(tmp_path / "masks" / "a.nii.gz", side=2)
    write_mask(tmp_path / "labels" / "a.nii.gz", side=4)
    line = ["evaluate", str(tmp_path / "masks"), str(tmp_path / "labels")]
    done = CLI.invoke(app, [*line, "--classes", "cube", "--to", str(tmp_path / "scores.csv")])
    assert done.exit_code == 0
    assert "cube" in done.stdout
    assert "0.667" in done.stdout  # 2 * 32 / (32 + 64)
    assert (tmp_path / "scores.csv").read_text(encoding="utf-8").startswith("case,class")
    scores = json.loads(CLI.invoke(app, [*line, "--json"]).stdout)
    assert scores["classes"] == ["class_1"]
    assert scores["summary"]["class_1"]["dice"]["mean"] == pytest.approx(2 / 3)
    (tmp_path / "masks" / "a.nii.gz").rename(tmp_path / "masks" / "b.nii.gz")
    missing = CLI.invoke(app, line)
    assert missing.exit_code == 1
    assert "no prediction for any of the 1 references" in missing.stderr


def test_evaluate_scores_what_it_can_and_says_what_it_cannot(tmp_path: Path) -> None:
    for name in "ab":
        write_mask(tmp_path / "masks" / f"{name}.nii.gz", side=2)
        write_mask(tmp_path / "labels" / f"{name}.nii.gz", side=4)
    for part in ("masks/c.nii.gz", "labels/c.nii.gz"):
        (tmp_path / part).write_bytes(b"cut short")
    line = ["evaluate", str(tmp_path / "masks"), str(tmp_path / "labels"), "--to", str(tmp_path / "new" / "scores.csv")]
    done = CLI.invoke(app, line)
    assert done.exit_code == 1
    assert "(n=2)" in done.stdout
    assert "1 of 3 cases could not be scored and are in no average." in done.stdout
    partial = tmp_path / "new" / "scores-partial.csv"
    assert f"1 of 3 cases could not be scored. The scores of the others are in {partial}." in done.stderr
    assert str(tmp_path / "labels" / "c.nii.gz") in done.stderr
    assert [row.split(",")[0] for row in partial.read_text(encoding="utf-8").splitlines()] == ["case", "a", "b"]
    assert not (tmp_path / "new" / "scores.csv").exists()
    assert list(json.loads(CLI.invoke(app, [*line, "--json"]).stdout)["not_scored"]) == ["c"]


@pytest.mark.parametrize(("to", "message"), [("file/x.csv", "cannot be written .*file: File exists"), ("folder.csv", "is a folder")])
def test_scores_that_cannot_be_written_are_refused_at_once(tmp_path: Path, to: str, message: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.csv").mkdir()
    done = CLI.invoke(app, ["evaluate", str(tmp_path), str(tmp_path), "--to", str(tmp_path / to)])
    assert (done.exit_code, done.stdout) == (1, "")
    assert re.search(message, done.stderr)


def test_import_weights_makes_a_run_that_opens(tmp_path: Path) -> None:
    state = TwoViews(UNet(2, 1, 4, width=4), shared=True).state_dict()
    torch.save({SHARED_UNET.their_name(name): value for name, value in state.items()}, tmp_path / "acdc.pth")
    line = ["import-weights", str(tmp_path / "acdc.pth"), "--out", str(tmp_path / "run"), "--classes", "rv, myo, lv"]
    done = CLI.invoke(app, [*line, "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {"run": str(tmp_path / "run"), "method": "cml", "classes": ["rv", "myo", "lv"], "patch": [256, 256]}
    assert "exists already" in CLI.invoke(app, line).stderr


def test_a_training_can_be_stopped_resumed_and_used(tmp_path: Path, data_folder: Path) -> None:
    run = tmp_path / "run"
    line = [
        "train",
        str(data_folder),
        "--method",
        "supervised",
        "--steps",
        "3",
        "--out",
        str(run),
        "--device",
        "cpu",
        "--set",
        "network.width=4",
    ]
    stopped = CLI.invoke(app, [*line, "--set", "training.patch=[32,16,16]", "--max-time", "0.001s", "--json"])
    assert stopped.exit_code == 3, stopped.stderr
    assert json.loads(stopped.stdout)["finished"] is False
    resumed = CLI.invoke(app, ["train", "--resume", str(run), "--device", "cpu", "--json"])
    assert resumed.exit_code == 0, resumed.stderr
    assert json.loads(resumed.stdout) == {"run": str(run), "finished": True, "step": 3, "steps": 3, "evaluation": None}
    predicted = CLI.invoke(app, ["predict", str(run), str(data_folder), "--to", str(tmp_path / "masks"), "--device", "cpu"])
    assert predicted.exit_code == 0
    assert len(list((tmp_path / "masks").glob("*.nii.gz"))) == 4
    again = CLI.invoke(app, line)
    assert again.exit_code == 1
    assert "exists already" in again.stderr


def test_the_demo_does_not_write_over_a_folder(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    done = CLI.invoke(app, ["demo", "--out", str(tmp_path)])
    assert (done.exit_code, done.stdout) == (1, "")
    assert "exists already" in done.stderr
