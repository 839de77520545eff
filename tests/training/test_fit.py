"""The loop: stages, learning rates, gradients that are not finite, and what is refused before the first step."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_kit import TINY, tiny_dataset

from semiseg.config import make_run
from semiseg.errors import DataError, SettingsError, TrainingError
from semiseg.methods import Stage, Step
from semiseg.methods.supervised import Supervised
from semiseg.planning.size import natural_patch
from semiseg.run_folder import RunFolder
from semiseg.sections import Training
from semiseg.training.fit import locate
from semiseg.training.limits import StopRequest
from semiseg.training.log import Log, read_log, window_means
from semiseg.training.optimization import make_optimizer, set_learning_rate, update
from semiseg.training.seeds import derived_seed, seed_step
from semiseg.training.train import train


def test_locate_counts_within_the_stage() -> None:
    stages = [Stage("pretrain", 3), Stage("self-train", 5)]
    where = [(step.stage.name, step.number, step.total) for step in (locate(stages, i, seed=0) for i in (0, 2, 3, 7))]
    assert where == [("pretrain", 0, 8), ("pretrain", 2, 8), ("self-train", 0, 8), ("self-train", 4, 8)]


def test_a_stage_without_steps_is_passed_over() -> None:
    assert locate([Stage("pretrain", 0), Stage("self-train", 2)], 0, seed=0).stage.name == "self-train"


def test_randomness_is_a_function_of_seed_and_step() -> None:
    first = (torch.randint(100, (3,), generator=seed_step(1, 5)), torch.rand(3))
    second = (torch.randint(100, (3,), generator=seed_step(1, 5)), torch.rand(3))
    other = (torch.randint(100, (3,), generator=seed_step(1, 6)), torch.rand(3))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[1], other[1])
    assert len({derived_seed(0, i) for i in range(1000)}) == 1000


@pytest.mark.parametrize(("restarts", "expected"), [(False, 0.01 * 0.5**0.9), (True, 0.01 * 0.75**0.9)])
def test_learning_rate_counts_over_the_run_or_the_stage(restarts: bool, expected: float) -> None:
    settings = Training(learning_rate=0.01, schedule="polynomial", schedule_restarts=restarts)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1)
    step = Step(2, Stage("second", 8), overall=8, total=16, generator=torch.Generator())  # half of the run, a quarter of the stage
    assert set_learning_rate([optimizer], settings, step) == pytest.approx(expected)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(expected)


def test_learning_rate_grows_from_nothing_over_the_warmup() -> None:
    settings = Training(learning_rate=0.01, schedule="constant", warmup=4)
    steps = [Step(n, Stage("train", 10), n, 10, torch.Generator()) for n in (0, 1, 4, 9)]
    rates = [set_learning_rate([], settings, step) for step in steps]
    assert rates == pytest.approx([0.002, 0.004, 0.01, 0.01])  # 1/5, 2/5, whole


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_a_gradient_that_is_not_finite_changes_no_weight_but_by_decay(name: Any) -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = make_optimizer([weight], Training(optimizer=name, weight_decay=0))
    scalars = update({"loss": (weight * torch.tensor([1.0, math.inf, 1.0])).sum() * 0}, optimizer)
    assert scalars["skipped"].item() == 1
    assert weight.tolist() == [1, 1, 1]
    assert update({"loss": weight.sum()}, optimizer)["skipped"].item() == 0
    assert weight[0] < 1


def test_a_training_whose_gradients_stay_broken_stops_with_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Supervised, batch: Any, step: Any) -> dict[str, torch.Tensor]:
        return {"supervised": self.network(batch.labeled.image).sum() * math.nan}

    close, closed = Log.close, list[Log]()

    def noted(self: Log) -> None:
        closed.append(self)
        close(self)

    monkeypatch.setattr(Supervised, "forward", broken)
    monkeypatch.setattr(Log, "close", noted)
    with pytest.raises(TrainingError, match=r"try a lower training\.learning_rate"):
        train(tiny_dataset(), [TINY, {"method": "supervised"}], out=tmp_path / "run", progress=False)
    assert len(closed) == 1  # what TensorBoard was told is on the disk


def test_log_keeps_means_of_windows_and_grows_columns(tmp_path: Path) -> None:
    log = Log(RunFolder(tmp_path))
    log.add({"loss": torch.tensor(1.0)})
    log.add({"loss": torch.tensor(3.0), "unlabeled": torch.tensor(5.0)})
    assert log.flush(2, stage="pretrain") == {"loss": 2.0, "unlabeled": 5.0}
    log.add({"loss": torch.tensor(1.0), "agreement": torch.tensor(0.5)})
    log.flush(3, stage="self-train")
    log.close()
    rows = read_log(RunFolder(tmp_path))
    assert [(row["step"], row["loss"], row["agreement"]) for row in rows] == [("2", "2", ""), ("3", "1", "0.5")]
    Log(RunFolder(tmp_path), start=2).close()
    assert [row["step"] for row in read_log(RunFolder(tmp_path))] == ["2"]  # later rows belong to steps that are done again


def test_window_means_average_over_the_steps_that_have_the_scalar() -> None:
    window = [{"a": torch.tensor(1.0)}, {"a": torch.tensor(2.0), "b": torch.tensor(4.0)}]
    assert window_means(window) == {"a": 1.5, "b": 4.0}


def test_time_limit_and_no_limit() -> None:
    assert StopRequest(0).reason() == "the time that it was given is over"
    assert StopRequest().reason() is None


def test_patch_is_the_median_scan_in_units_of_sixteen() -> None:
    assert natural_patch((35, 50, 36)) == (32, 48, 32)
    assert natural_patch((10, 300, 88)) == (16, 128, 80)
    assert natural_patch((20, 25, 20)) == (16, 32, 16)


def test_a_patch_that_shrinks_to_one_voxel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="shrinks to one voxel"):
        train(tiny_dataset(), [TINY, {"training": {"patch": [16, 16, 16]}}], out=tmp_path / "run", progress=False)


def test_no_labelled_and_no_unlabelled_case(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no training case has a label"):
        train(tiny_dataset(labeled=0), [TINY], out=tmp_path / "a", progress=False)
    with pytest.raises(DataError, match="learns from unlabelled scans, and there are none"):
        train(tiny_dataset(cases=2), [TINY, {"method": "cml"}], out=tmp_path / "b", progress=False)
    with pytest.raises(SettingsError, match=r"unlabeled_batch is 0, and cml learns from unlabelled scans"):
        train(tiny_dataset(), [TINY, {"training": {"unlabeled_batch": 0}}], out=tmp_path / "c", progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_patch_larger_than_the_scan_is_padded(tmp_path: Path) -> None:
    done = train(tiny_dataset(), [TINY, {"training": {"patch": [32, 16, 32], "steps": 2}}], out=tmp_path / "run", progress=False)
    assert done.evaluation is not None
    assert np.isfinite(done.evaluation.summary()["chamber"]["dice"].mean)


def test_unknown_settings_are_named_with_the_nearest_known_one() -> None:
    with pytest.raises(SettingsError, match=r"training\.learning_rat: unknown setting \(did you mean 'learning_rate'\?\)"):
        make_run({"training": {"learning_rat": 1}})
    with pytest.raises(SettingsError, match=r"settings\.feature_wieght: unknown setting \(did you mean 'feature_weight'\?\)"):
        make_run({"settings": {"feature_wieght": 1}})
    with pytest.raises(SettingsError, match=r"no method is called 'cmll' \(did you mean 'cml'"):
        make_run({"method": "cmll"})


def test_a_fold_that_is_none_is_told_in_words() -> None:
    with pytest.raises(SettingsError, match=r"data\.fold: expected K/N: part K of N is for testing .*given: 'x'"):
        make_run({"data": {"fold": "x"}})


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        make_run({"training": {"steps": 0, "batch": 3}, "settings": {"box_ratio": 2}})
    assert len(str(error.value).splitlines()) == 3


def test_released_variant_fills_what_is_left_open() -> None:
    settings = make_run({"settings": {"variant": "released", "pseudo_labels": "eval"}}).settings.model_dump()
    assert (settings["cross_region"], settings["shared_network"], settings["pseudo_labels"]) == ("outside", True, "eval")


def test_a_file_gives_each_method_its_own_settings_and_the_caller_wins() -> None:
    layers = {"training": {"steps": 10}, "methods": {"cml": {"training": {"steps": 20, "unlabeled_batch": 2}}}}
    assert make_run(layers, {"method": "supervised"}).training.steps == 10
    assert make_run(layers, {"method": "cml"}).training.steps == 20
    assert make_run(layers, {"method": "cml", "training": {"steps": 5}}).training.model_dump()["steps"] == 5
