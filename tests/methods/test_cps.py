"""CPS: who teaches whom, and how the two networks come to differ."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from method_kit import last_step, make_batch, make_method
from torch import nn
from torch.nn import functional as F

from semiseg.methods.cps import CPS


def cps(dimensions: int = 3, classes: int = 2, **settings: Any) -> CPS:
    method = make_method("cps", dimensions, classes, **settings)
    assert isinstance(method, CPS)
    return method


def test_each_network_is_taught_the_others_hard_labels() -> None:
    method = cps()
    first = torch.tensor([[2.0, 0.0]]).view(1, 2, 1).requires_grad_()  # says class 0
    second = torch.tensor([[0.0, 1.0]]).view(1, 2, 1).requires_grad_()  # says class 1
    loss = method.cross_loss(first, second)
    # ln(1 + e^2) = 2.1269 for the first, to become class 1; ln(1 + e^1) = 1.3133 for the second, to become class 0
    assert loss.item() == pytest.approx(2.1269 + 1.3133, abs=1e-4)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(first.grad, (first.detach().softmax(1) - torch.tensor([0.0, 1.0]).view(1, 2, 1)))
    torch.testing.assert_close(second.grad, (second.detach().softmax(1) - torch.tensor([1.0, 0.0]).view(1, 2, 1)))


def test_with_equal_networks_it_is_cross_entropy_with_ones_own_labels() -> None:
    logits = torch.randn(2, 3, 8)
    assert cps().cross_loss(logits, logits) == 2 * F.cross_entropy(logits, logits.argmax(1))


def test_without_cross_supervision_each_network_is_trained_as_if_alone() -> None:
    method, batch = cps(weight=0).eval(), make_batch()
    losses = method(batch, last_step(method))
    alone = make_method("supervised", dice="class_squared").eval()
    total = 0.0
    for network in (method.first, method.second):
        alone.load_state_dict({f"network.{name}": value for name, value in network.state_dict().items()})
        total += float(alone(batch, last_step(alone))["supervised"].detach())
    assert set(losses) == {"supervised"}
    assert losses["supervised"].item() == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize(("settings", "share"), [({}, 8), ({"variant": "released"}, 4)])
def test_cross_supervision_is_on_all_images_in_the_paper_and_on_unlabelled_ones_as_released(settings: dict[str, Any], share: int) -> None:
    method, batch = cps(2, weight=1, ramp=0, **settings).eval(), make_batch(2)
    first, second = (network(batch.images())[-share:] for network in (method.first, method.second))  # of 4 labelled and 4 unlabelled
    loss = method(batch, last_step(method))["cross"]
    assert loss.item() == pytest.approx(method.cross_loss(first, second).item(), rel=1e-5)


def test_released_weights_are_of_kaimings_and_xaviers_scale_in_3d_alone() -> None:
    method = cps(variant="released")
    weights = [[m.weight for m in network.modules() if isinstance(m, nn.Conv3d)][6] for network in (method.first, method.second)]
    outputs, inputs, *kernel = weights[0].shape
    fan = torch.tensor(kernel).prod().item()
    assert weights[0].std().item() == pytest.approx((2 / (inputs * fan)) ** 0.5, rel=0.1)
    assert weights[1].std().item() == pytest.approx((2 / ((inputs + outputs) * fan)) ** 0.5, rel=0.1)
    plane, corrected = cps(2, variant="released"), cps(2)
    assert all(torch.equal(a, b) for a, b in zip(plane.parameters(), corrected.parameters(), strict=True))


def test_both_networks_are_views_and_the_first_predicts() -> None:
    method = cps(2).eval()
    image = torch.randn(1, 1, 32, 32)
    first, second = method.predict_views(image)
    assert torch.equal(method.predict_logits(image), first)
    assert not torch.equal(first, second)
