"""Where a training begins: every segmentation head says how common the classes are."""

from __future__ import annotations

import pytest
import torch
from method_kit import PATCH, make_method
from torch import nn

from semiseg.methods import METHODS
from semiseg.networks.encoder_decoder import Decoder, set_class_prior
from semiseg.networks.pyramid import Pyramid

SHARES = torch.tensor([0.9, 0.07, 0.03])


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("name", METHODS)
def test_heads_that_see_nothing_give_each_class_its_share(name: str, dimensions: int) -> None:
    method = make_method(name, dimensions, classes=3).eval()
    method.set_class_prior(SHARES)
    heads = [module.head for module in method.modules() if isinstance(module, Decoder)]
    heads += [head for module in method.modules() if isinstance(module, Pyramid) for head in module.heads]
    for head in heads:
        for layer in head.modules():
            if isinstance(layer, nn.Conv2d | nn.Conv3d):
                nn.init.zeros_(layer.weight)
    with torch.no_grad():
        views = method.predict_views(torch.randn(1, 1, *PATCH[dimensions]))
    for logits in views:
        assert torch.allclose(logits.softmax(1).flatten(2).mean(2)[0], SHARES, atol=1e-5)


def test_all_levels_of_a_pyramid_begin_there() -> None:
    method = make_method("urpc", classes=3)
    method.set_class_prior(SHARES)
    network = method.network
    assert isinstance(network, Pyramid)
    biases = [head[0].bias for head in network.heads]  # type: ignore[index]
    assert all(torch.allclose(bias.softmax(0), SHARES) for bias in biases)


def test_a_distance_map_keeps_its_own_bias() -> None:
    method = make_method("dtc", classes=3)
    head = method.network.network.decoder.head
    before = head.bias.detach().clone()
    method.set_class_prior(SHARES)
    assert torch.equal(head.bias[:2], before[:2])
    assert head.bias[2:].tolist() == pytest.approx([-2.5539, -3.4012], abs=1e-4)  # ln(0.07 / 0.9), ln(0.03 / 0.9)


def test_a_head_without_bias_stays() -> None:
    head = nn.Conv2d(4, 3, 1, bias=False)
    before = head.weight.detach().clone()
    set_class_prior(head, SHARES)
    assert torch.equal(head.weight, before)
