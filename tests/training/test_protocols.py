"""Which weights count: the last step's, or the best of several looks, at cases that the protocol opens and says so."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from training_kit import TINY, tiny_dataset

from semiseg.case import Batch, Case
from semiseg.config import make_run
from semiseg.data.dataset import Dataset
from semiseg.data.formats import read_label
from semiseg.errors import DataError, RunFolderError, SealedError, SettingsError
from semiseg.evaluation.results import Evaluation
from semiseg.inference.predictor import load
from semiseg.methods import METHODS, Stage, Step
from semiseg.methods.supervised import Supervised
from semiseg.run_folder import RunFolder
from semiseg.training import selection
from semiseg.training.checkpoint import Look, Progress
from semiseg.training.job import sealed_split
from semiseg.training.protocol import protocol_name
from semiseg.training.provenance import provenance
from semiseg.training.selection import Selector, best, class_dice
from semiseg.training.train import resume, train

PAPER: dict[str, Any] = {"protocol": "paper", "selection": {"every": 2}}


def weights(folder: Path, name: str = "weights") -> dict[str, torch.Tensor]:
    return load_file(folder / f"{name}.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def looks_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "looks.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def with_validation() -> Dataset:
    """Four training, one validation and one test scan."""
    data: Dataset = tiny_dataset(cases=4, labeled=2, test=2)
    return replace(data, validation=data.test[:1], test=data.test[1:])


def test_a_run_that_looks_ends_with_the_weights_of_one_that_does_not(tmp_path: Path) -> None:
    layers = [TINY, {"method": "cml"}]
    sealed = train(tiny_dataset(), layers, out=tmp_path / "sealed", progress=False)
    paper = train(tiny_dataset(), [*layers, PAPER], out=tmp_path / "paper", progress=False)
    assert same(weights(tmp_path / "sealed"), weights(tmp_path / "paper"))
    assert sealed.evaluation is not None
    assert paper.evaluation is not None
    assert paper.selected is not None
    assert sealed.evaluation.as_dict()["cases"] == paper.evaluation.as_dict()["cases"]
    assert not (tmp_path / "sealed" / "weights-selected.safetensors").exists()


def test_paper_keeps_the_best_look_at_the_test_scans_and_every_file_says_so(tmp_path: Path) -> None:
    train(tiny_dataset(), [TINY, PAPER, {"method": "cml"}], out=tmp_path / "run", progress=False)
    rows = looks_of(tmp_path / "run")
    assert [(row["stage"], row["step"]) for row in rows] == [("self-train", "4"), ("self-train", "6")]  # 2 steps of pre-training, no look
    assert {row["looked_at"] for row in rows} == {"test"}
    scores = {name: Evaluation.from_json(tmp_path / "run" / f"scores{name}.json") for name in ("", "-selected")}
    protocols = [scores[name].provenance.protocol for name in scores]  # type: ignore[union-attr]
    assert protocols == ["paper: last step", "paper: selected on test"]
    assert "paper: selected on test" in (tmp_path / "run" / "scores-selected.csv").read_text(encoding="utf-8")
    chosen = best([Look(int(row["step"]), row["stage"], float(row["dice"]), 0) for row in rows], "self-train")
    assert chosen is not None
    assert scores["-selected"].summary()["chamber"]["dice"].mean == pytest.approx(chosen.dice)
    assert [path.name for path in (tmp_path / "run").glob("best-*.pt")] == [f"best-{chosen.step}.pt"]
    cost = RunFolder(tmp_path / "run").read_json("cost.json")
    assert cost["looks"] == 2
    assert cost["looks_seconds"] > 0
    assert (tmp_path / "run" / "predictions-selected" / "case_4.nii.gz").is_file()


def test_selected_weights_predict_what_was_scored_as_selected(tmp_path: Path) -> None:
    train(tiny_dataset(), [TINY, PAPER, {"method": "supervised"}], out=tmp_path / "run", progress=False)
    (case, *_) = tiny_dataset().test
    written, _ = read_label(tmp_path / "run" / "predictions-selected" / f"{case.id}.nii.gz")
    assert np.array_equal(load(tmp_path / "run", selected=True).predict(case.images, case.spacing).labels, written)
    (tmp_path / "run" / "weights-selected.safetensors").unlink()
    with pytest.raises(RunFolderError, match="selected no weights"):
        load(tmp_path / "run", selected=True)


def test_paper_prefers_a_published_validation_part_and_keeps_the_test_scans_closed(tmp_path: Path) -> None:
    run = make_run(TINY, PAPER, {"method": "supervised"})
    split = sealed_split(with_validation(), run)
    assert split.validation[0].label is not None
    with pytest.raises(SealedError):
        _ = split.test[0].label
    done = train(with_validation(), [TINY, PAPER, {"method": "supervised"}], out=tmp_path / "run", progress=False)
    assert done.selected is not None
    assert done.selected.provenance is not None
    assert done.selected.provenance.protocol == "paper: selected on validation"


def test_sealed_closes_published_validation_scans_too() -> None:
    split = sealed_split(with_validation(), make_run(TINY))
    with pytest.raises(SealedError):
        _ = split.validation[0].label


def test_sealed_validation_comes_out_of_the_labelled_budget(tmp_path: Path) -> None:
    data = tiny_dataset(cases=5, labeled=3)
    layers = [TINY, {"method": "supervised", "data": {"labeled": 3}, "selection": {"validation_cases": 1, "every": 3}}]
    run = make_run(*layers)
    split = sealed_split(data, run)
    assert [case.id for case in split.labeled] == ["case_1", "case_2"]
    assert [case.id for case in split.validation] == ["case_0"]
    done = train(data, layers, out=tmp_path / "run", progress=False)
    assert done.selected is not None
    assert done.selected.provenance is not None
    assert done.selected.provenance.protocol == "sealed, selected on validation"
    assert done.selected.provenance.labeled == 3  # labels that the run used, to learn from or to choose by
    assert [(row["step"], row["looked_at"]) for row in looks_of(tmp_path / "run")] == [("3", "validation"), ("6", "validation")]


def test_folds_are_named_and_leave_the_fingerprint_alone() -> None:
    data = tiny_dataset(cases=4, labeled=3, test=1)
    runs = [make_run(TINY, {"method": "supervised", "data": {"fold": fold}}) for fold in ("1/2", "2/2")]
    splits = [sealed_split(data, run) for run in runs]
    sources = [provenance(run, data, split) for run, split in zip(runs, splits, strict=True)]
    assert [source.protocol for source in sources] == ["sealed, last step, fold 1/2", "sealed, last step, fold 2/2"]
    assert sources[0].data == sources[1].data
    assert [[case.id for case in split.test] for split in splits] == [["case_0", "case_2"], ["case_1", "case_4"]]
    with pytest.raises(SealedError):
        _ = splits[0].test[0].label


@pytest.mark.parametrize("method", ["cml", "bcp"])
def test_stopped_anywhere_and_resumed_the_same_weights_are_chosen(tmp_path: Path, method: str) -> None:
    choice = {"every": 1, "next_stage_from_best": True}
    layers = [TINY, {"method": method, "settings": {"pretrain": 0.5}, "protocol": "paper", "selection": choice}]
    train(tiny_dataset(), layers, out=tmp_path / "whole", progress=False)
    done = train(tiny_dataset(), layers, out=tmp_path / "broken", max_seconds=0, progress=False)
    sittings = 1
    while not done.finished:
        done = resume(tmp_path / "broken", data=tiny_dataset(), max_seconds=0, progress=False)
        sittings += 1
    assert sittings == 6
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "broken"))
    assert same(weights(tmp_path / "whole", "weights-selected"), weights(tmp_path / "broken", "weights-selected"))
    times = [[(row["step"], row["stage"], row["dice"]) for row in looks_of(tmp_path / name)] for name in ("whole", "broken")]
    assert times[0] == times[1]
    assert [row[1] for row in times[0]] == ["pretrain"] * 3 + ["self-train"] * 3


def test_a_kill_between_a_look_and_its_state_leaves_the_best_that_the_state_speaks_of(tmp_path: Path) -> None:
    layers = [TINY, PAPER, {"method": "supervised"}]
    train(tiny_dataset(), layers, out=tmp_path / "whole", progress=False)
    train(tiny_dataset(), layers, out=tmp_path / "killed", max_seconds=0, progress=False)
    (tmp_path / "killed" / "best-4.pt").write_bytes(b"of a look that no saved state knows")
    done = resume(tmp_path / "killed", data=tiny_dataset(), progress=False)
    assert done.finished
    assert same(weights(tmp_path / "whole", "weights-selected"), weights(tmp_path / "killed", "weights-selected"))
    assert len(list((tmp_path / "killed").glob("best-*.pt"))) == 1


def test_the_second_stage_starts_from_the_best_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look of each stage scores best, so the second stage begins with the weights of step 1, not those of step 3."""
    scores = iter([0.9, 0.1, 0.1, 0.5, 0.4, 0.3])
    monkeypatch.setattr(Selector, "dice", lambda self, method: next(scores))
    kept: dict[str, torch.Tensor] = {}
    looks = Selector.look

    def remembered(self: Selector, method: Any, optimizers: Any, stage: Stage, done: Progress) -> Look:
        if done.step == 1:
            kept.update({name: value.clone() for name, value in method.state_dict().items()})
        return looks(self, method, optimizers, stage, done)

    def begin(self: Any, stage: Stage) -> None:
        if stage.name == "self-train":
            assert same(kept, self.state_dict())

    monkeypatch.setattr(Selector, "look", remembered)
    monkeypatch.setattr(METHODS["cml"], "begin", begin)
    choice = {"every": 1, "next_stage_from_best": True}
    layers = [TINY, {"method": "cml", "settings": {"pretrain": 0.5}, "protocol": "paper", "selection": choice}]
    train(tiny_dataset(), layers, out=tmp_path / "run", progress=False)
    assert {path.name for path in (tmp_path / "run").glob("best-*.pt")} == {"best-1.pt", "best-4.pt"}


def test_a_method_under_sealed_selection_still_cannot_read_a_test_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    caught: list[Case] = []
    sealed = selection.read_watched

    def leaking(cases: Any, run: Any) -> Any:
        return sealed([*cases, *caught], run)

    data = tiny_dataset(cases=5, labeled=3)
    layers = [TINY, {"method": "supervised", "selection": {"validation_cases": 1}}]
    caught.extend(sealed_split(data, make_run(*layers)).test)
    monkeypatch.setattr(selection, "read_watched", leaking)
    with pytest.raises(SealedError, match="case_5: its label"):
        train(data, layers, out=tmp_path / "run", progress=False)


def test_a_sampler_that_asks_for_labels_gets_none_and_a_crop_by_a_test_label_is_refused(tmp_path: Path) -> None:
    class Hungry(Supervised):
        def forward(self, batch: Batch, step: Step) -> Any:
            return {"loss": batch.unlabeled.label.sum()}  # type: ignore[attr-defined]

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS, "supervised", Hungry)
        with pytest.raises(AttributeError, match="no attribute 'label'"):
            train(tiny_dataset(), [TINY, {"method": "supervised"}], out=tmp_path / "run", progress=False)
    split = sealed_split(tiny_dataset(), make_run(TINY))
    with pytest.raises(SealedError):
        np.argwhere(np.asarray(split.test[0].label))  # the box around the label, by which LA's scans were cropped


def test_what_would_be_ignored_in_silence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is for protocol sealed"):
        make_run({"protocol": "paper", "selection": {"validation_cases": 1}})
    with pytest.raises(SettingsError, match="next_stage_from_best needs looks"):
        make_run({"selection": {"next_stage_from_best": True}})
    with pytest.raises(SettingsError, match="which means no look"):
        make_run({"selection": {"validation_cases": 1, "every": 0}})
    blind = replace(tiny_dataset(), test=tuple(case.unlabeled() for case in tiny_dataset().test))
    with pytest.raises(DataError, match="tiny: no test case has a label to choose weights by"):
        sealed_split(blind, make_run(TINY, PAPER))
    folder = RunFolder.create(tmp_path, make_run(TINY))
    with pytest.raises(RunFolderError, match="has no weights"):
        folder.load_weights(torch.nn.Linear(1, 1))


def test_names_of_protocols() -> None:
    paper = make_run({"protocol": "paper", "data": {"fold": "2/5"}})
    assert protocol_name(make_run()) == "sealed, last step"
    assert protocol_name(paper, "test") == "paper: selected on test, fold 2/5"
    assert protocol_name(paper) == "paper: last step, fold 2/5"


def test_dice_of_a_look() -> None:
    prediction, reference = np.array([0, 1, 1, 2]), np.array([0, 1, 0, 0])
    assert class_dice(prediction, reference, 3) == [pytest.approx(2 / 3), 0, pytest.approx(float("nan"), nan_ok=True)]


def test_of_equal_looks_the_first_counts() -> None:
    looks = [Look(1, "a", 0.9, 0), Look(2, "b", 0.5, 0), Look(3, "b", 0.5, 0), Look(4, "b", 0.2, 0)]
    assert best(looks, "b") == looks[1]
    assert best(looks, "c") is None
