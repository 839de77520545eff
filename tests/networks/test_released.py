"""Checks against numbers that the released CML code printed; tests/golden/cml.json holds them, `pattern` the weights and inputs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from semiseg.errors import DataError
from semiseg.networks import UNet, VNet
from semiseg.networks.released import load_released

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "golden" / "cml.json").read_text(encoding="utf-8"))


def pattern(shape: list[int], k: int, scale: float) -> Tensor:
    i = np.arange(math.prod(shape), dtype=np.float64)
    values = scale * np.sin(0.37 * (k + 1) + (1.7 + 0.013 * (k % 97)) * i)
    return torch.from_numpy(values.astype(np.float32)).reshape(shape)


def weight(name: str, shape: list[int], k: int) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    if name.endswith("running_var"):
        return 1 + 0.5 * pattern(shape, k, 1).abs()
    if len(shape) > 1:
        return pattern(shape, k, math.sqrt(3 / math.prod(shape[1:])))
    return 1 + pattern(shape, k, 0.2) if name.endswith(".weight") else pattern(shape, k, 0.1)


def released_state(entry: str) -> dict[str, Tensor]:
    keys: dict[str, list[int]] = GOLDEN[entry]["keys"]
    return {name: weight(name, keys[name], k) for k, name in enumerate(sorted(keys))}


def assert_golden(value: Tensor, golden: dict[str, Any]) -> None:
    assert list(value.shape) == golden["shape"]
    assert value.mean().item() == pytest.approx(golden["mean"], abs=1e-4)
    assert value.std().item() == pytest.approx(golden["std"], abs=1e-4)
    for position, expected in golden["at"].items():
        assert value.flatten()[int(position)].item() == pytest.approx(expected, abs=1e-4), position


@torch.no_grad()
def test_released_vnet_pair_gives_the_released_outputs() -> None:
    golden = GOLDEN["vnet_la"]
    views, description = load_released(released_state("vnet_la"))
    assert description == VNet(dimensions=3, channels=1, classes=2)
    logits1, logits2, bottleneck1, bottleneck2 = views.eval()(pattern([1, 1, 32, 48, 16], 1000, 1.5))
    assert_golden(logits1, golden["out1"])
    assert_golden(logits2, golden["out2"])
    assert_golden(bottleneck1, golden["feat1"])
    assert_golden(bottleneck2, golden["feat2"])
    assert_golden(((logits1 + logits2) / 2).softmax(1)[:, 1], golden["mean_prob_fg"])


@torch.no_grad()
def test_released_unet_gives_the_released_outputs() -> None:
    golden = GOLDEN["unet_acdc_released"]
    views, description = load_released(released_state("unet_acdc_released"))
    assert description == UNet(dimensions=2, channels=1, classes=4)
    logits1, logits2, bottleneck1, bottleneck2 = views.eval()(pattern([2, 1, 64, 48], 1009, 1.5))
    assert_golden(logits1, golden["out1"])
    assert_golden(logits2, golden["out2"])
    assert_golden(bottleneck1, golden["feat1"])
    assert torch.equal(logits1, logits2) is golden["same"]
    assert torch.equal(bottleneck1, bottleneck2)


def test_wrapped_and_prefixed_states_are_the_same_weights() -> None:
    state = released_state("unet_acdc_released")
    plain, _ = load_released(state)
    prefixed = {f"module.{name}": value for name, value in state.items()}
    for checkpoint in ({"net": state, "opt": {"lr": 0.01}}, {"state_dict": prefixed}):
        views, _ = load_released(checkpoint)
        assert all(torch.equal(a, b) for a, b in zip(plain.state_dict().values(), views.state_dict().values(), strict=True))


def test_missing_unknown_and_misshapen_weights_are_named_together() -> None:
    state = released_state("unet_acdc_released")
    del state["encoder.down4.maxpool_conv.1.conv_conv.0.bias"]
    state["encoder.extra"] = torch.zeros(1)
    state["decoder1.up1.conv1x1.bias"] = torch.zeros(3)
    with pytest.raises(DataError) as error:
        load_released(state)
    assert "1 missing (encoder.down4.maxpool_conv.1.conv_conv.0.bias)" in str(error.value)
    assert "1 unknown (encoder.extra)" in str(error.value)
    assert "1 of another shape (decoder1.up1.conv1x1.bias)" in str(error.value)


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(DataError, match=r"neither the released 3D V-Net pair of CML .* found conv1.weight, fc.weight"):
        load_released({"conv1.weight": torch.zeros(8, 1, 3, 3), "fc.weight": torch.zeros(2, 8)})
