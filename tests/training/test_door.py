"""Nobody reads a test case before the run is finished: not a loader, not a sampler, not a crop, not a method."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from semiseg.case import Batch, Case
from semiseg.data.dataset import Dataset
from semiseg.data.phantom import phantom_case
from semiseg.data.preparation import Preparation
from semiseg.data.prepare import prepare
from semiseg.errors import SealedError
from semiseg.evaluation.results import Evaluation
from semiseg.methods import METHODS, Step
from semiseg.methods.supervised import Supervised
from semiseg.run_folder import RunFolder
from semiseg.training import train as training
from semiseg.training.door import SealedCase, seal, unseal
from semiseg.training.job import Job
from semiseg.training.provenance import fingerprint

TINY: dict[str, Any] = {
    "method": "supervised",
    "network": {"width": 4},
    "training": {"steps": 1, "patch": [32, 16, 16], "labeled_batch": 1, "unlabeled_batch": 1, "precision": "32-true"},
}


def tiny_dataset(test: int = 1) -> Dataset:
    made = [phantom_case(seed, (20, 20, 20), 2) for seed in range(3 + test)]
    scans = [Case(f"case_{i}", (image,), label, group=f"patient_{i}") for i, (image, label) in enumerate(made)]
    return Dataset("tiny", ("chamber",), tuple(scans[:3]), test=tuple(scans[3:]))


def test_a_sealed_case_has_a_name_and_nothing_to_read() -> None:
    (sealed,) = seal(tiny_dataset().test)
    assert (sealed.id, sealed.group) == ("case_3", "patient_3")
    with pytest.raises(SealedError, match=r"case_3: its images was asked for during training\. Test cases stay closed"):
        _ = sealed.images
    with pytest.raises(SealedError, match="its label"):
        _ = sealed.label
    with pytest.raises(SealedError):
        replace(sealed, id="mine")  # a copy would have to read it
    with pytest.raises(SealedError):
        sealed.unlabeled()
    with pytest.raises(SealedError):
        vars(sealed)


def test_the_door_opens_when_the_weights_are_saved(tmp_path: Path) -> None:
    cases = tiny_dataset().test
    with pytest.raises(SealedError, match="until the last step is done"):
        unseal(seal(cases), RunFolder(tmp_path))
    (tmp_path / "weights.safetensors").touch()
    (opened,) = unseal(seal(cases), RunFolder(tmp_path))
    assert type(opened) is Case
    assert opened.images[0] is cases[0].images[0]
    assert opened.label is cases[0].label


def test_a_preparation_or_crop_of_a_test_case_is_refused() -> None:
    with pytest.raises(SealedError):
        prepare(seal(tiny_dataset().test), Preparation(), 2)


def test_a_method_that_gets_hold_of_a_test_case_cannot_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    caught: list[Case] = []
    carry_on = training.carry_on

    def leaking(job: Job, *rest: Any) -> Any:
        caught.extend(job.split.test)
        return carry_on(job, *rest)

    class Peeking(Supervised):
        def forward(self, batch: Batch, step: Step) -> Any:
            _ = caught[0].label
            return super().forward(batch, step)

    monkeypatch.setattr(training, "carry_on", leaking)
    monkeypatch.setitem(METHODS, "supervised", Peeking)
    with pytest.raises(SealedError, match="case_3: its label"):
        training.train(tiny_dataset(), [TINY], out=tmp_path / "run", progress=False)
    assert isinstance(caught[0], SealedCase)
    assert not (tmp_path / "run" / "scores.json").exists()


def test_a_sampler_hungry_for_labels_finds_none_on_unlabeled_cases() -> None:
    split = tiny_dataset().split(labeled=1)
    assert [case.label for case in split.unlabeled] == [None, None]
    assert all(item.label is None for item in prepare(split.unlabeled, Preparation(), 2))


def test_every_score_file_says_where_it_comes_from(tmp_path: Path) -> None:
    layers = [TINY, {"seed": 7, "data": {"labeled": 2, "draw": 3}}]
    done = training.train(tiny_dataset(), layers, out=tmp_path / "run", progress=False)
    assert done.evaluation is not None
    source = Evaluation.from_json(tmp_path / "run" / "scores.json").provenance
    assert source == done.evaluation.provenance
    assert source is not None
    assert (source.protocol, source.method, source.seed, source.draw, source.labeled) == ("sealed, last step", "supervised", 7, 3, 2)
    assert source.data == fingerprint(tiny_dataset())
    head, first = (tmp_path / "run" / "scores.csv").read_text(encoding="utf-8").splitlines()[:2]
    assert head.endswith("protocol,method,seed,draw,labeled,data,version")
    assert '"sealed, last step",supervised,7,3,2,' in first


def test_the_fingerprint_tells_data_apart_and_not_budgets() -> None:
    data = tiny_dataset()
    known = fingerprint(data)
    assert len(known) == 16
    assert fingerprint(tiny_dataset()) == known
    assert fingerprint(replace(data, train=tuple(case.unlabeled() for case in data.train))) == known
    assert fingerprint(tiny_dataset(test=2)) != known
    larger = replace(data.test[0], images=(np.zeros((21, 20, 20), np.float32),))
    assert fingerprint(replace(data, test=(larger,))) != known
