"""The adversarial direction where it is known, its length, and what it leaves alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from semiseg.functional.adversarial import adversarial_direction, frozen_statistics, unit_norm, virtual_adversarial_loss
from semiseg.networks import UNet


def squared_distance(p: Tensor, q: Tensor) -> Tensor:
    return (p - q).square().sum()


class FirstVoxel(nn.Module):
    """Logits that depend on the first voxel of an image alone."""

    def forward(self, image: Tensor) -> Tensor:
        first = image.flatten(1)[:, :1]
        return torch.cat([-first, first], dim=1)


def test_direction_points_at_the_only_voxel_that_matters() -> None:
    image = torch.zeros(3, 1, 4, 4, 4)
    target = FirstVoxel()(image).softmax(1)
    direction = adversarial_direction(FirstVoxel(), image, target, squared_distance, probe=0.1)
    assert direction.flatten(1)[:, 0].abs() == pytest.approx(1)
    assert direction.flatten(1)[:, 1:].abs().sum() == 0


def test_loss_is_the_distance_at_the_radius() -> None:
    image = torch.zeros(2, 1, 4, 4)
    target = FirstVoxel()(image).softmax(1)
    loss = virtual_adversarial_loss(FirstVoxel(), image, target, squared_distance, radius=0.5, probe=0.1)
    # both samples move their first voxel to +-0.5: p = 1 / (1 + exp(-1)) = 0.731059, two classes 0.231059 away from one half
    assert loss.item() == pytest.approx(2 * 2 * 0.231059**2, abs=1e-5)


def test_each_sample_has_norm_one_and_zeros_stay() -> None:
    x = torch.randn(3, 1, 4, 6)
    x[2] = 0
    assert unit_norm(x).flatten(1).norm(dim=1).tolist() == pytest.approx([1, 1, 0])


def test_running_statistics_and_gradients_stay_as_they_are() -> None:
    torch.manual_seed(0)
    network, image = UNet(2, 1, 2, width=4).network(), torch.randn(2, 1, 32, 32)
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    target = torch.full((2, 2, 32, 32), 0.5)
    adversarial_direction(network, image, target, squared_distance)
    assert all(p.grad is None for p in network.parameters())
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    with frozen_statistics(network):
        virtual_adversarial_loss(network, image, target, squared_distance, radius=6).backward()  # type: ignore[no-untyped-call]
    assert all(torch.equal(buffer, before[name]) for name, buffer in network.named_buffers())
    assert all(p.grad is not None for p in network.parameters())


def test_frozen_statistics_normalize_by_the_batch_and_thaw() -> None:
    layer, x = nn.BatchNorm2d(3), 5 + torch.randn(4, 3, 8, 8)
    with frozen_statistics(layer):
        assert layer(x).mean().item() == pytest.approx(0, abs=1e-5)
        assert layer.running_mean is not None
        assert layer.running_mean.abs().sum() == 0
    layer(x)
    assert layer.running_mean.mean().item() == pytest.approx(0.5, abs=0.05)  # momentum 0.1 of 5
