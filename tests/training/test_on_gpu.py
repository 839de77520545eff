"""A training on a CUDA GPU, and what it gives; skipped where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from semiseg.cli import app
from semiseg.data.phantom import write_phantom
from semiseg.functional.pseudo_labels import keep_largest_components
from semiseg.inference.predictor import load

DEVICE = "cuda"

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


@pytest.mark.parametrize("shape", [(4, 40, 40), (2, 24, 24, 20)])
def test_components_are_those_of_the_host(shape: tuple[int, ...]) -> None:
    labels = torch.randint(0, 3, shape, generator=torch.Generator().manual_seed(0))
    assert torch.equal(keep_largest_components(labels.to(DEVICE), 3).cpu(), keep_largest_components(labels, 3))


def test_a_training_goes_on_after_a_stop_and_its_model_predicts_the_same_on_a_cpu(tmp_path: Path) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    write_phantom(data, cases=6, labeled=2, test=2, shape=(32, 32, 32), classes=2, seed=0)
    start = ["train", str(data), "--method", "cml", "--steps", "400", "--set", "network.width=4", "--max-time", "1s", "--out", str(run)]
    for code, words in ((3, start), (0, ["train", "--resume", str(run)])):
        done = CliRunner().invoke(app, [*words, "--device", DEVICE])
        assert done.exit_code == code, done.stderr
    assert (run / "scores.json").is_file()
    scan = sorted((data / "images").iterdir())[-1]
    there, here = (load(run, device).predict(scan) for device in (DEVICE, "cpu"))
    assert np.mean(there.labels == here.labels) > 0.999
