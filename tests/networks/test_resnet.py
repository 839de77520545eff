"""MCF's residual network."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from semiseg.errors import SettingsError
from semiseg.networks import Description, UNet, VNet
from semiseg.networks.resnet import Residual, initialize_kaiming, residual_network


def test_it_has_the_parameters_of_the_released_one() -> None:
    assert sum(p.numel() for p in residual_network(VNet(3, 1, 2)).parameters()) == 17_930_354


@pytest.mark.parametrize(
    "description", [VNet(3, 2, 3, width=4), VNet(2, 1, 4, width=4), UNet(2, 1, 4, width=4), UNet(3, 1, 2, width=4)], ids=str
)
def test_it_gives_features_of_the_sizes_that_the_decoders_take(description: Description) -> None:
    network = residual_network(description)
    sides = [32, 16, 48][: description.dimensions]
    x = torch.randn(2, description.channels, *sides)
    assert [f.shape for f in network.encoder(x)] == [(2, 4 * 2**i, *[side // 2**i for side in sides]) for i in range(5)]
    logits = network(x)
    assert logits.shape == (2, description.classes, *sides)
    logits.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_a_side_that_is_no_multiple_of_16_is_named() -> None:
    with pytest.raises(SettingsError, match="side 40 is not a multiple of 16"):
        residual_network(VNet(2, 1, 2, width=4))(torch.zeros(1, 1, 32, 40))


def test_a_block_whose_convolutions_are_zero_is_its_shortcut() -> None:
    from semiseg.networks.layers import LAYERS

    block = Residual(LAYERS[2], 3, 3).eval()
    for convolution in (block.convolutions[0], block.convolutions[3]):
        nn.init.zeros_(convolution.weight)  # type: ignore[arg-type]
    x = torch.randn(1, 3, 4, 4)
    assert torch.equal(block(x), x.relu())


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_shortcut_is_a_strided_convolution_of_one_voxel(dimensions: int) -> None:
    from semiseg.networks.layers import LAYERS

    block, x = Residual(LAYERS[dimensions], 4, 8, stride=2), torch.randn(2, 4, *[6, 8, 10][:dimensions])
    assert isinstance(block.shortcut, nn.Sequential)
    convolution = block.shortcut[0]
    assert isinstance(convolution, nn.Conv2d | nn.Conv3d)
    strided = torch.nn.functional.conv2d if dimensions == 2 else torch.nn.functional.conv3d
    torch.testing.assert_close(convolution(block.every(x)), strided(x, convolution.weight, stride=2), rtol=0, atol=1e-6)


def test_gradients_of_few_channels_stay_within_their_memory() -> None:
    """In a process of its own: where they do not, it is killed."""
    program = """
import torch
from semiseg.networks.layers import LAYERS
from semiseg.networks.resnet import Residual
block = Residual(LAYERS[2], 8, 16, stride=2).to(memory_format=torch.channels_last)
x = torch.randn(4, 8, 64, 64).to(memory_format=torch.channels_last).requires_grad_()
for _ in range(30):
    block(x).sum().backward()
    torch.empty(1000)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_weights_are_drawn_by_their_fan_in() -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(64, 128, 3)
    initialize_kaiming(convolution)
    assert convolution.weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)
