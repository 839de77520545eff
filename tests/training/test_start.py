from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from semiseg.case import Case
from semiseg.config import read_layers
from semiseg.data.dataset import Dataset
from semiseg.data.phantom import phantom_case, write_phantom
from semiseg.errors import DataError
from semiseg.planning.machine import Machine
from semiseg.training.start import start
from semiseg.training.train import train

CPU = torch.device("cpu")
LAPTOP = Machine("cpu", 8 * 2**30, 2, 2)
SHORT: dict[str, Any] = {"training": {"steps": 2}}


def scans(cases: int = 3, labeled: int = 2, test: int = 1) -> Dataset:
    made = [phantom_case(seed, (32, 32), 2) for seed in range(cases + test)]
    every = [Case(f"case_{i}", (image,), label if i < labeled or i >= cases else None) for i, (image, label) in enumerate(made)]
    return Dataset("slices", None, tuple(every[:cases]), test=tuple(every[cases:]), dimensions=2)


def test_with_no_setting_at_all_everything_is_planned() -> None:
    begun = start(scans(), [], CPU, show=False, machine=LAPTOP)
    run = begun.plan.run
    assert (run.method, run.network.kind, run.training.patch) == ("cml", "unet", (32, 32))
    assert (run.data.classes, run.data.channels) == (("class_1",), 1)
    assert begun.free_folder() == Path("runs/slices-cml")
    with torch.device("meta"):
        run.build()


def test_all_scans_labelled_means_supervised_unless_a_method_is_named() -> None:
    begun = start(scans(labeled=3), [], CPU, show=False, machine=LAPTOP)
    assert begun.plan.run.method == "supervised"
    assert begun.plan.choices[0].reason == "every training scan has a label: there is nothing else to learn from"
    assert begun.free_folder().name == "slices-supervised"
    assert start(scans(labeled=3), [{"data": {"labeled": 1}}], CPU, show=False, machine=LAPTOP).plan.run.method == "cml"
    with pytest.raises(DataError, match="cml learns from unlabelled scans, and there are none"):
        start(scans(labeled=3), [{"method": "cml"}], CPU, show=False, machine=LAPTOP)


def test_a_published_run_file_leaves_nothing_to_choose(hippocampus_folder: Path) -> None:
    layers = [read_layers("hippocampus"), {"method": "cml"}]
    begun = start(hippocampus_folder, layers, CPU, show=False, machine=LAPTOP)
    assert begun.plan.own == ()
    run = begun.plan.run
    assert (run.training.patch, run.training.steps, run.preparation.spacing, run.augmentation.symmetry) == ((32, 48, 32), 600, None, "none")


def test_real_scans_with_no_setting_get_the_published_run_file(hippocampus_folder: Path) -> None:
    chosen = start(hippocampus_folder, [{"data": {"labeled": 4}}], CPU, show=False, machine=LAPTOP).plan.run
    published = start(hippocampus_folder, [read_layers("hippocampus")], CPU, show=False, machine=LAPTOP).plan.run
    assert chosen.training == published.training
    assert (chosen.network, chosen.preparation, chosen.augmentation) == (published.network, published.preparation, published.augmentation)


def test_a_scan_that_cannot_be_used_stops_it_before_any_voxel_is_read(tmp_path: Path) -> None:
    write_phantom(tmp_path / "data", 3, 2, 0, (16, 16, 16))
    (tmp_path / "data" / "images" / "phantom_002.nii.gz").write_bytes(b"no scan")
    with pytest.raises(DataError, match=r"phantom_002.nii.gz: is not a readable NIfTI file"):
        start(tmp_path / "data", [], CPU, show=False)
    (tmp_path / "data" / "labels" / "phantom_002.nii.gz").write_bytes(b"no label")


def test_test_scans_are_not_opened(tmp_path: Path) -> None:
    write_phantom(tmp_path / "data", 3, 2, 1, (16, 16, 16))
    for kind in ("images", "labels"):
        (tmp_path / "data" / kind / "phantom_003.nii.gz").write_bytes(b"opening this is an error")
    assert start(tmp_path / "data", [], CPU, show=False).plan.found.shapes == ((16, 16, 16),) * 3


def test_the_plan_lands_in_the_run_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = train(scans(), SHORT, tmp_path / "run", device="cpu")
    plan = done.folder.read_json("plan.json")
    by = {choice["setting"]: choice["by"] for choice in plan["choices"]}
    assert (by["training.steps"], by["training.patch"], by["method"]) == ("you", "plan", "plan")
    assert done.folder.run().training.learning_rate == 3e-3
    assert done.evaluation is not None
    said = capsys.readouterr().err
    assert "plan for cpu, " in said
    assert "cml, unet of width 8; patches 32 x 32" in said


def test_a_run_gets_a_name_where_none_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = [train(scans(test=0), SHORT, progress=False, device="cpu").folder.path for _ in range(2)]
    assert names == [Path("runs/slices-cml"), Path("runs/slices-cml-2")]
