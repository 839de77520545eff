"""Which way a 3D convolution goes, and that its results are those of the definition."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from semiseg.networks import VNet, pointwise, single_sample, winograd
from semiseg.networks.convolution3d import Convolution3d


def drawn(*shape: int) -> Tensor:
    """Standard normal; the same for the same shape. Channels last."""
    values = torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))
    return values.contiguous(memory_format=torch.channels_last_3d)


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ways of our own that were gone."""
    seen: list[str] = []

    def note(module: ModuleType) -> None:
        known = module.convolution

        def noted(*given: Tensor) -> Tensor:
            seen.append(module.__name__.rpartition(".")[2])
            result: Tensor = known(*given)
            return result

        monkeypatch.setattr(module, "convolution", noted)

    note(winograd)
    note(pointwise)
    note(single_sample)
    return seen


@pytest.mark.parametrize(("kernel", "way"), [(3, "winograd"), (1, "pointwise")])
def test_layer_is_within_rounding_of_float32(kernel: int, way: str, ways: list[str]) -> None:
    x, layer = drawn(4, 32, 16, 24, 16), Convolution3d(32, 32, kernel, padding=kernel // 2)
    assert layer.bias is not None
    exact = F.conv3d(x.double(), layer.weight.double(), layer.bias.double(), padding=kernel // 2)
    assert (layer(x) - exact).abs().max() < 1e-5 * exact.abs().max()
    assert ways == [way]


def test_a_small_batch_of_one_goes_as_two_halves(ways: list[str]) -> None:
    x, layer, halving = drawn(1, 8, 16, 24, 16), Convolution3d(8, 8, 3, padding=1), Convolution3d(8, 16, 2, stride=2)
    torch.testing.assert_close(layer(x), F.conv3d(x, layer.weight, layer.bias, padding=1), rtol=0, atol=1e-5)
    torch.testing.assert_close(halving(x), F.conv3d(x, halving.weight, halving.bias, stride=2), rtol=0, atol=1e-5)
    layer(x.contiguous())
    layer(drawn(2, 8, 8, 8, 8))
    assert ways == ["single_sample"] * 3


@pytest.mark.parametrize("capability", ["AVX512", "AVX2"])
def test_what_is_large_enough_depends_on_the_processor(capability: str, ways: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    Convolution3d(16, 16, 3, padding=1)(drawn(2, 16, 32, 32, 32))  # 453 million multiplications
    Convolution3d(32, 32, 3, padding=1)(drawn(2, 32, 32, 16, 32))  # 906 million
    assert ways == (["winograd"] if capability == "AVX512" else ["winograd", "winograd"])


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Convolution3d(32, 32, 3, padding=1), (2, 32, 3, 64, 64)),  # too flat
        (Convolution3d(32, 32, 3, padding=1), (2, 32, 8, 8, 8)),  # too small
        (Convolution3d(1, 16, 3, padding=1), (2, 1, 64, 64, 64)),  # a channel
        (Convolution3d(16, 32, 2, stride=2), (2, 16, 64, 64, 64)),  # another kernel
        (Convolution3d(32, 32, 3, padding=0), (2, 32, 16, 24, 16)),
    ],
)
def test_elsewhere_it_is_the_usual_layer(layer: Convolution3d, shape: tuple[int, ...], ways: list[str]) -> None:
    x = drawn(*shape)
    expected = F.conv3d(x, layer.weight, layer.bias, layer.stride, layer.padding)
    assert torch.equal(layer(x), expected)
    assert not ways


def test_other_precisions_layouts_and_autocast_go_the_usual_way(ways: list[str]) -> None:
    layer = Convolution3d(32, 32, 3, padding=1)
    x = drawn(2, 32, 16, 24, 16)
    layer(x.contiguous())
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    layer.double()(x.double())
    assert not ways


def test_vnet_uses_it_and_its_weights_keep_their_names(ways: list[str]) -> None:
    built = VNet(3, 1, 2, 16, 0.0).network("linear").to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    built(drawn(2, 1, 64, 32, 32))
    assert set(ways) == {"winograd", "pointwise"}
    weights = [weight for name, weight in built.state_dict().items() if name.endswith("weight") and weight.ndim == 5]
    assert {tuple(weight.shape[2:]) for weight in weights} == {(1, 1, 1), (2, 2, 2), (3, 3, 3)}
