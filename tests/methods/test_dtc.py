"""DTC's own terms."""

from __future__ import annotations

import pytest
import torch
from method_kit import last_step, make_batch, make_method

from semiseg.functional.distance import signed_distance_maps
from semiseg.methods.dtc import DTC, DTCSettings


def test_maps_turn_into_the_labels_that_they_were_made_from() -> None:
    method = make_method("dtc", 2, classes=3)
    assert isinstance(method, DTC)
    labels = torch.zeros(1, 9, 9, dtype=torch.long)
    labels[:, 2:7, 1:4], labels[:, 2:7, 5:8] = 1, 2
    distances = signed_distance_maps(labels, 3)
    inside = method.inside(distances)
    surface = distances == 0
    for index in (1, 2):
        one = index - 1
        assert (inside[:, one][surface[:, one]] == 0.5).all()  # sigmoid(0)
        assert torch.equal(inside[:, one].round()[~surface[:, one]], (labels == index).float()[~surface[:, one]])
    assert method.inside(torch.tensor(0.002)).item() == pytest.approx(0.0474, abs=1e-4)  # 1 / (1 + e^3)


def test_without_consistency_the_unlabelled_scans_teach_nothing() -> None:
    losses = make_method("dtc", weight=0)(make_batch(), last_step(make_method("dtc")))
    assert set(losses) == {"dice", "distance"}


def test_both_heads_learn_from_the_consistency() -> None:
    method = make_method("dtc", 2, steepness=1.0)  # at 1500 a random map is saturated
    method(make_batch(2), last_step(method))["consistency"].backward()
    gradient = method.get_parameter("network.network.decoder.head.weight").grad
    assert gradient is not None
    assert all(head.abs().sum() > 0 for head in gradient)  # one output channel a head


def test_released_marks_an_absent_class_as_surface() -> None:
    assert DTCSettings().absent_class == "outside"
    assert DTCSettings.model_validate({"variant": "released"}).absent_class == "zero"
