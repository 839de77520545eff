"""Batch normalization folded into convolutions, against the layers one by one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from semiseg.networks import UNet, VNet
from semiseg.networks.folding import folded, run_folded


def with_statistics(network: nn.Module) -> nn.Module:
    """In eval mode, with batch statistics and affine weights that are none of a fresh network."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            for tensor in (module.running_mean, module.bias):
                tensor.data.normal_()  # type: ignore[union-attr]
            for tensor in (module.running_var, module.weight):
                tensor.data.uniform_(0.5, 2)  # type: ignore[union-attr]
    return network.eval()


def test_one_channel_by_hand() -> None:
    convolution, norm = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, eps=0.0)
    with torch.no_grad():
        convolution.weight.fill_(3), convolution.bias.fill_(1)  # type: ignore[union-attr]
        norm.running_mean.fill_(5), norm.running_var.fill_(4), norm.weight.fill_(2), norm.bias.fill_(7)  # type: ignore[union-attr]
    found = folded(convolution, norm)
    assert found["weight"].item() == 3  # 3 * 2 / sqrt(4)
    assert found["bias"].item() == 3  # (1 - 5) * 2 / sqrt(4) + 7


@pytest.mark.parametrize(("network", "shape"), [(VNet(3, 1, 2, 4, 0.5), (2, 1, 32, 16, 16)), (UNet(2, 1, 4, 4), (2, 1, 32, 48))])
@pytest.mark.parametrize("up", ["transposed", "linear", "nearest"])
def test_networks_say_the_same_without_gradients(network: VNet | UNet, shape: tuple[int, ...], up: str) -> None:
    built = with_statistics(network.network(up))  # type: ignore[arg-type]
    image = torch.randn(shape)
    one_by_one = built(image)  # gradients are on: nothing is folded
    with torch.no_grad():
        assert torch.allclose(built(image), one_by_one, rtol=1e-4, atol=1e-5)


def test_what_is_no_pair_runs_as_it_is() -> None:
    layers = [nn.Conv2d(1, 2, 1), nn.ReLU(), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1), nn.InstanceNorm2d(2), nn.Conv2d(2, 1, 1)]
    chain, image = with_statistics(nn.Sequential(*layers)), torch.randn(1, 1, 4, 4)
    assert torch.equal(run_folded(layers, image), chain(image))


def test_training_mode_still_normalizes_by_the_batch() -> None:
    built, image = VNet(2, 1, 2, 4, 0.0).network().train(), torch.randn(2, 1, 16, 16)
    with torch.no_grad():
        before = built.encoder.stages[0][1].running_mean.clone()  # type: ignore[index,union-attr]
        built(image)
        assert not torch.equal(before, built.encoder.stages[0][1].running_mean)  # type: ignore[index,union-attr]
