from __future__ import annotations

import pytest
import torch
from torch import nn

from semiseg.networks import Description, UNet, VNet
from semiseg.networks.precision import Stage


def test_a_small_grid_runs_in_float32_under_autocast() -> None:
    stage = Stage(nn.Conv3d(1, 1, 1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert stage(torch.ones(1, 1, 8, 8, 8)).dtype == torch.float32  # 512 voxels
        assert stage(torch.ones(1, 1, 8, 8, 8, dtype=torch.bfloat16)).dtype == torch.float32
        assert stage(torch.ones(1, 1, 8, 8, 9)).dtype == torch.bfloat16
    assert stage(torch.ones(1, 1, 8, 8, 9)).dtype == torch.float32


def test_a_network_of_another_precision_keeps_it() -> None:
    assert Stage(nn.Conv2d(1, 1, 1)).double()(torch.ones(1, 1, 2, 2, dtype=torch.float64)).dtype == torch.float64
    assert Stage(nn.Conv2d(1, 1, 1)).bfloat16()(torch.ones(1, 1, 2, 2, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_a_strided_stage_counts_its_smaller_grid() -> None:
    halving = Stage(nn.Conv2d(1, 1, 2, stride=2), stride=2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert halving(torch.ones(1, 1, 32, 64)).dtype == torch.float32  # 16 x 32 = 512 come out
        assert halving(torch.ones(1, 1, 34, 64)).dtype == torch.bfloat16


@pytest.mark.parametrize("description", [VNet(3, 1, 2, width=4), UNet(3, 1, 2, width=4)], ids=str)
def test_only_the_deep_levels_of_a_network_are_held_in_float32(description: Description) -> None:
    network = description.network("linear")
    seen: dict[tuple[int, ...], set[torch.dtype]] = {}  # by the smaller grid of each convolution

    def note(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        smaller = min(inputs[0].shape[2:], output.shape[2:])
        seen.setdefault(tuple(smaller), set()).add(output.dtype)

    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            module.register_forward_hook(note)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        network(torch.randn(2, 1, 32, 48, 32)).float().mean().backward()
    assert seen[(2, 3, 2)] == seen[(4, 6, 4)] == {torch.float32}
    assert seen[(32, 48, 32)] == {torch.bfloat16}
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
