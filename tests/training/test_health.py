"""Pseudo-label health: what a look measures, and a method that is made to collapse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from training_kit import TINY, tiny_dataset

from semiseg.methods import Method, Stage
from semiseg.methods.self_training import SelfTraining
from semiseg.training.health import AGREEMENT, CHANGE, Watch, class_shares, collapsed, foreground_agreement, looks_of, volumes
from semiseg.training.log import read_log
from semiseg.training.train import resume, train


def row(step: int, **volume: float) -> dict[str, str]:
    return {"step": str(step), **{f"pseudo_volume/{name}": str(value) for name, value in volume.items()}}


def test_three_low_looks_in_a_row_are_a_collapse() -> None:
    looks = [row(40, a=0.9, b=0.01), row(50, a=0.05, b=0.01), row(60, a=0.05, b=0.5), row(70, a=0.09, b=0.01), row(80, a=0.0, b=0.01)]
    assert collapsed(looks[:3], 100) == {}
    assert collapsed(looks, 100) == {"a": 70}  # of b, one look between was well


def test_what_is_low_early_is_no_collapse() -> None:
    assert collapsed([row(step, a=0.0) for step in (10, 20, 30)], 100) == {}  # only the look at 30 is past a quarter
    assert collapsed([row(step, a=0.0) for step in (10, 20, 30, 40, 50)], 100) == {"a": 50}


def test_rows_without_a_look_are_passed_over() -> None:
    rows = [row(40, a=0.0), {"step": "50"}, row(60, a=0.0), {"step": "70", "pseudo_volume/a": ""}, row(80, a=0.0)]
    assert collapsed(rows, 100) == {"a": 80}
    assert volumes(rows) == {"a": [(40, 0.0), (60, 0.0), (80, 0.0)]}


def test_shares_are_of_labelled_voxels() -> None:
    labels = torch.tensor([[1, 1, 0, 0], [2, 0, 255, -1]])
    shares, holding = class_shares(labels, 2)
    assert shares == pytest.approx([2 / 6, 1 / 6])  # two voxels are not labelled
    assert holding == [0.5, 0.5]


def test_agreement_counts_foreground_alone() -> None:
    first, second = torch.tensor([0, 0, 1, 1, 2]), torch.tensor([0, 0, 1, 2, 0])
    assert foreground_agreement(first, second).item() == pytest.approx(1 / 3)
    assert foreground_agreement(first * 0, second * 0).item() == 1


def tiny_run(path: Path, method: str, steps: int = 60, **kwargs: Any) -> list[dict[str, Any]]:
    layers = [TINY, {"method": method, "training": {"steps": steps}}]
    return read_log(train(tiny_dataset(), layers, out=path, device="cpu", progress=True, **kwargs).folder)


def test_a_training_logs_volume_agreement_and_change_in_its_last_stage(tmp_path: Path) -> None:
    rows = tiny_run(tmp_path / "run", "cml", steps=40)
    assert [step for step, _ in looks_of(rows, "pseudo_volume/chamber")] == [20, 30, 40]  # pre-training ends with step 10
    assert [step for step, _ in looks_of(rows, CHANGE)] == [30, 40]
    assert all(0 <= value <= 1 for _, value in looks_of(rows, AGREEMENT))
    assert len(looks_of(rows, AGREEMENT)) == 3


def test_a_control_is_not_looked_at(tmp_path: Path) -> None:
    assert volumes(tiny_run(tmp_path / "run", "supervised", steps=20)) == {}


def test_looking_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = tiny_run(tmp_path / "watched", "bcp", steps=20)
    monkeypatch.setattr(Watch, "look", lambda self, step: {})
    plain = tiny_run(tmp_path / "plain", "bcp", steps=20)
    assert [r["loss"] for r in watched] == [r["loss"] for r in plain]
    assert volumes(watched)
    assert not volumes(plain)


def collapse(method: Method[Any]) -> None:
    """Pseudo-labels that say background everywhere."""
    method.label_views = lambda image: [image[:, 0].long() * 0]  # type: ignore[method-assign]


def test_a_method_that_collapses_is_warned_of_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    made = SelfTraining.begin

    def begin(self: SelfTraining, stage: Stage) -> None:
        made(self, stage)
        if stage.name == "self-train":
            collapse(self)

    monkeypatch.setattr(SelfTraining, "begin", begin)
    rows = tiny_run(tmp_path / "run", "self-training")
    said = capsys.readouterr().err
    assert said.count("Warning: the pseudo-labels of chamber have collapsed: up to step 40") == 1  # looks at 20, 30 and 40
    assert collapsed(rows, 60) == {"chamber": 40}


def test_a_resumed_training_does_not_warn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(SelfTraining, "label_views", lambda self, image: [image[:, 0].long() * 0])
    path = tmp_path / "run"
    tiny_run(path, "self-training")
    assert "have collapsed" in capsys.readouterr().err
    assert resume(path, data=tiny_dataset()).finished
    assert "have collapsed" not in capsys.readouterr().err
