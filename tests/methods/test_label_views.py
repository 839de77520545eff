"""The pseudo-labels that a training is watched by."""

from __future__ import annotations

import pytest
import torch
from method_kit import PATCH, make_method

from semiseg.methods import METHODS
from semiseg.networks.encoder_decoder import Encoder
from semiseg.training.health import evaluating


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.uses_unlabeled])
def test_every_method_says_what_its_pseudo_labels_are(name: str) -> None:
    method = make_method(name, classes=3).eval()
    with torch.no_grad():
        views = method.label_views(torch.randn(2, 1, *PATCH[3]))
    assert all(view.shape == (2, *PATCH[3]) and view.max() < 3 for view in views)


@pytest.mark.parametrize(("name", "views"), [("cml", 2), ("cps", 2), ("mc-net", 2), ("bcp", 1), ("self-training", 1)])
def test_methods_with_two_views_show_both(name: str, views: int) -> None:
    with torch.no_grad():
        assert len(make_method(name).eval().label_views(torch.randn(1, 1, *PATCH[3]))) == views


@pytest.mark.parametrize("name", METHODS)
def test_prediction_and_views_come_out_of_one_pass(name: str) -> None:
    method, passes = make_method(name, classes=3).eval(), []
    image = torch.randn(1, 1, *PATCH[3])
    with torch.no_grad():
        logits, views = method.predict_logits(image), method.predict_views(image)
        for module in method.modules():
            if isinstance(module, Encoder):
                module.register_forward_hook(lambda module, *_: passes.append(module))
        both = method.predict_both(image)
    assert torch.equal(both[0], logits)
    assert all(torch.equal(one, other) for one, other in zip(both[1], views, strict=True))
    assert len(passes) == len(set(passes))  # no encoder ran twice


def test_where_another_network_teaches_its_labels_are_watched() -> None:
    method = make_method("bcp").eval()
    for parameter in method.student.parameters():
        torch.nn.init.zeros_(parameter)
    image = torch.randn(1, 1, *PATCH[3])
    with torch.no_grad():
        assert torch.equal(method.label_views(image)[0], method.teacher(image).argmax(1))


def test_each_module_goes_back_to_its_own_mode() -> None:
    method = make_method("bcp")
    method.teacher.eval()
    with evaluating(method):
        assert not method.student.training
    assert (method.student.training, method.teacher.training) == (True, False)
