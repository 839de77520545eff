from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from semiseg.cli import app
from semiseg.data.phantom import phantom_case

CLI = CliRunner()


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight PNG slices, three of them labelled."""
    monkeypatch.setenv("SEMISEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "slices"
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    for seed in range(8):
        image, label = phantom_case(seed, (48, 64), 2)
        Image.fromarray(np.clip(image * 255, 0, 255).astype(np.uint8)).save(folder / "images" / f"{seed}.png")
        if seed < 3:
            Image.fromarray(label).save(folder / "labels" / f"{seed}.png")
    return folder


def test_from_pictures_to_masks_with_no_setting_but_fewer_steps(pictures: Path) -> None:
    trained = CLI.invoke(app, ["train", str(pictures), "--steps", "2", "--json"])
    assert trained.exit_code == 0, trained.stderr
    run = Path(json.loads(trained.stdout)["run"])
    assert run == Path("runs/slices-cml")
    settings = yaml.safe_load((run / "run.yaml").read_text(encoding="utf-8"))
    assert (settings["training"]["patch"], settings["training"]["labeled_batch"]) == ([48, 64], 12)
    assert settings["network"] == {"kind": "unet", "width": 8, "dropout": None}
    masks = CLI.invoke(app, ["predict", str(run), str(pictures / "images"), "--to", "masks"])
    assert masks.exit_code == 0, masks.stderr
    mask = np.asarray(Image.open("masks/7.png"))
    assert (mask.shape, mask.dtype) == ((48, 64), np.uint8)


def test_plan_is_a_table_json_and_a_run_file(pictures: Path) -> None:
    shown = CLI.invoke(app, ["plan", str(pictures), "--labeled", "2", "--out", "plan.yaml"])
    assert shown.exit_code == 0, shown.stderr
    assert "training.patch" in shown.stdout
    assert "the median scan (48 x 64) in multiples of 16" in " ".join(shown.stdout.split())
    assert shown.stderr.strip() == f"Train with: semiseg train {pictures} --config plan.yaml"
    again = json.loads(CLI.invoke(app, ["plan", str(pictures), "--config", "plan.yaml", "--json"]).stdout)
    assert {choice["by"] for choice in again["choices"]} == {"you"}
    assert again["run"]["training"]["patch"] == [48, 64]
    assert again["data"]["labeled"] == 2
    refused = CLI.invoke(app, ["plan", str(pictures), "--out", "plan.yaml"])
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "exists already, and may have been edited" in refused.stderr
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["cache", "plan.yaml", "slices"]


def test_dry_run_measures_and_leaves_no_run_folder(pictures: Path) -> None:
    tried = CLI.invoke(app, ["train", str(pictures), "--dry-run", "--json", "--set", "network.width=4"])
    assert tried.exit_code == 0, tried.stderr
    result = json.loads(tried.stdout)
    assert [stage["steps"] for stage in result["measured"]["stages"]] == [150, 450]
    assert 100 < result["measured"]["peak_memory_mb"] < 2000  # PyTorch alone takes 200
    assert result["measured"]["training_seconds"] > 0
    assert result["run"]["network"]["width"] == 4
    assert not Path("runs").exists()


def test_a_dry_run_is_for_a_new_run() -> None:
    done = CLI.invoke(app, ["train", "--resume", "runs/x", "--dry-run"])
    assert done.exit_code == 2
    assert "is for a new run" in done.stderr
