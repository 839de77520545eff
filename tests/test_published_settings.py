"""The packaged run files against what was published: one row a method, as its released code has it."""

from __future__ import annotations

from typing import Any

import pytest

from semiseg.benchmark.grid import read_grids, shipped, unrolled
from semiseg.config import Run, make_run, read_layers
from semiseg.functional.schedules import sigmoid_ramp
from semiseg.methods import METHODS
from semiseg.methods.pools import PoolMethod, PoolSettings

FACTS = {"data": {"channels": 1, "classes": ["a"]}}


def published(config: str, method: str) -> Run:
    return make_run(read_layers(config), {"method": method}, FACTS)


# data, method, labelled + unlabelled patches a step, steps, schedule, full weight, steps of its ramp, further settings of the method
TABLE: list[tuple[str, str, tuple[int, int], int, str, float | None, int | None, dict[str, Any]]] = [
    ("la", "supervised", (4, 2), 6000, "staircase", None, None, {"dice": "foreground_squared"}),
    ("la", "ua-mt", (2, 2), 6000, "staircase", 0.1, 6000, {"dice": "foreground_squared", "passes": 8}),
    ("la", "sassnet", (2, 2), 6000, "staircase", 0.015, 6000, {"distance_weight": 0.3}),
    ("la", "dtc", (2, 2), 6000, "staircase", 1.0, 6000, {"distance_weight": 0.3, "steepness": 1500}),
    ("la", "mc-net", (2, 2), 15000, "constant", 1.0, 6000, {"supervised_weight": 0.5, "dice": "foreground"}),
    ("la", "mc-net+", (2, 2), 15000, "constant", 1.0, 6000, {"supervised_weight": 0.5, "dice": "foreground"}),
    ("la", "ss-net", (2, 2), 15000, "staircase", 1.0, 6000, {"dice": "foreground", "attack_radius": 10, "attack_distance": "pooled"}),
    ("la", "mcf", (2, 2), 6000, "staircase", 0.1, 6000, {"rectification_weight": 0.5, "temperature": 0.1}),
    ("la", "bcp", (4, 4), 17000, "staircase", None, None, {"pseudo_weight": 0.5, "dice": "sample_class", "box_ratio": 2 / 3}),
    ("la", "cml", (4, 4), 17000, "staircase", None, None, {"unlabeled_weight": 1, "feature_weight": 0.2, "box_ratio": 2 / 3}),
    ("acdc", "supervised", (24, 0), 30000, "polynomial", None, None, {"dice": "class_squared"}),
    ("acdc", "mean-teacher", (12, 12), 30000, "polynomial", 0.1, 30000, {}),
    ("acdc", "ua-mt", (12, 12), 30000, "polynomial", 0.1, 30000, {"dice": "class_squared"}),
    ("acdc", "cps", (12, 12), 30000, "polynomial", 0.1, 30000, {}),
    ("acdc", "urpc", (12, 12), 30000, "polynomial", 0.1, 30000, {"perturbation": "heads"}),
    ("acdc", "fixmatch", (12, 12), 30000, "polynomial", 0.1, 30000, {}),
    ("acdc", "mc-net", (12, 12), 30000, "constant", 0.1, 30000, {"supervised_weight": 1, "dice": "class_squared"}),
    ("acdc", "ss-net", (12, 12), 30000, "constant", 0.1, 30000, {"dice": "class_squared", "attack_radius": 6}),
    ("acdc", "bcp", (12, 12), 40000, "constant", None, None, {"dice": "class_squared", "fresh_optimizer": False}),
    ("acdc", "cml", (12, 12), 40000, "constant", None, None, {"unlabeled_weight": 0.5, "feature_weight": 0.1, "box_ratio": 0.5}),
    ("brats2019", "supervised", (2, 0), 30000, "polynomial", None, None, {"dice": "class_squared"}),
    ("brats2019", "mean-teacher", (2, 2), 30000, "polynomial", 0.1, 30000, {"delay": 0}),
    ("brats2019", "ua-mt", (2, 2), 30000, "polynomial", 0.1, 30000, {"dice": "class_squared"}),
    ("brats2019", "cps", (2, 2), 30000, "polynomial", 0.1, 30000, {}),
    ("brats2019", "urpc", (2, 2), 30000, "polynomial", 0.1, 30000, {"perturbation": "channels"}),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]}-{row[1]}")
def test_run_files_have_the_published_numbers(row: tuple[Any, ...]) -> None:
    config, method, batch, steps, schedule, weight, ramp, further = row
    run = published(config, method)
    assert (run.training.labeled_batch, run.training.unlabeled_batch) == batch
    assert (run.training.steps, run.training.schedule) == (steps, schedule)
    assert run.training.learning_rate == (0.1 if (config, method) == ("brats2019", "urpc") else 0.01)
    settings = run.settings.model_dump()
    assert {name: settings[name] for name in further} == further
    if ramp is not None:
        assert settings["weight"] == weight
        assert settings["ramp"] * steps == pytest.approx(ramp)


def test_stages_as_published() -> None:
    stages = {(config, method): published(config, method) for config in ("la", "acdc") for method in ("bcp", "cml")}
    for (config, method), run in stages.items():
        found = [round(run.training.steps * share) for share in (run.settings.pretrain, 1 - run.settings.pretrain)]  # type: ignore[attr-defined]
        assert found == ([2000, 15000] if config == "la" else [10000, 30000]), (config, method)


def test_nothing_is_consistent_on_acdc_before_step_1000() -> None:
    run = published("acdc", "mean-teacher")
    assert run.settings.delay * run.training.steps == pytest.approx(1000)  # type: ignore[attr-defined]


def test_ramps_are_the_published_ones_in_the_middle() -> None:
    # L = 40 epochs of 150 steps, at step 3,000: exp(-5 (1 - 20/40)^2) = exp(-1.25), whatever the length of the training
    for method in ("ua-mt", "mc-net"):
        run = published("la", method)
        length = run.settings.ramp * run.training.steps  # type: ignore[attr-defined]
        assert sigmoid_ramp(3000, length) == pytest.approx(sigmoid_ramp(20, 40))


@pytest.mark.parametrize("name", [name for name in shipped() if name.endswith("-paper")])
def test_what_is_compared_as_published_normalizes_as_published(name: str) -> None:
    """Of one grid, all methods that see both pools: some in one pass and some in two would compare that, and not the methods."""
    runs = [training.run() for training in unrolled(read_grids(name))]
    pooled = [run for run in runs if issubclass(METHODS[run.method], PoolMethod)]
    assert len({run.method for run in pooled}) == 6
    assert all(isinstance(run.settings, PoolSettings) and run.settings.batch_statistics == "joint" for run in pooled)


@pytest.mark.parametrize("name", [name for name in shipped() if name.endswith("-paper")])
def test_a_control_as_long_as_cml_stands_beside_the_published_one(name: str) -> None:
    runs = [training.run() for training in unrolled(read_grids(name))]
    budgets = {method: {(run.training.steps, run.training.labeled_batch) for run in runs if run.method == method} for method in METHODS}
    assert budgets["cml"] <= budgets["supervised"]
