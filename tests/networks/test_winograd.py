"""Winograd's minimal filtering against the convolution by its definition."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from semiseg.networks import VNet, winograd
from semiseg.networks.winograd import FILTER, INPUT, OUTPUT, WinogradConv3d, _Convolution


def drawn(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Standard normal; the same for the same shape. Channels last if it is an image."""
    values = torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)
    return values.contiguous(memory_format=torch.channels_last_3d) if len(shape) == 5 else values


def convolved(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The fast way, whatever the sizes."""
    result: Tensor = _Convolution.apply(x, weight, bias)  # type: ignore[no-untyped-call]
    return result


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """The weights that went the fast way."""
    seen: list[Tensor] = []
    known = winograd.kernels_at_points

    def noted(weight: Tensor) -> Tensor:
        seen.append(weight)
        return known(weight)

    monkeypatch.setattr(winograd, "kernels_at_points", noted)
    return seen


def test_four_numbers_by_hand() -> None:
    """F(4, 3): outputs of the filter (1, 2, 3) on 1 ... 6 are 1*1 + 2*2 + 3*3 = 14, 20, 26, 32."""
    of_input = torch.tensor(INPUT, dtype=torch.float64) @ torch.arange(1.0, 7.0, dtype=torch.float64)
    of_filter = torch.tensor(FILTER, dtype=torch.float64) @ torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    found = torch.tensor(OUTPUT, dtype=torch.float64) @ (of_input * of_filter)
    assert found.tolist() == pytest.approx([14, 20, 26, 32], abs=1e-12)


@pytest.mark.parametrize("depth", [4, 5, 7, 16])
@pytest.mark.parametrize("values", [1, 2**22], ids=["sample by sample", "at once"])
@pytest.mark.parametrize("bias", [True, False])
def test_results_and_gradients_are_those_of_the_definition(depth: int, values: int, bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "VALUES", values)
    x, weight, shift = drawn(3, 5, depth, 6, 7).requires_grad_(), drawn(4, 5, 3, 3, 3).requires_grad_(), drawn(4).requires_grad_()
    expected = F.conv3d(x, weight, shift if bias else None, padding=1)
    found = convolved(x, weight, shift if bias else None)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    above, of = drawn(*expected.shape), (x, weight, shift) if bias else (x, weight)
    for ours, true in zip(torch.autograd.grad(found, of, above), torch.autograd.grad(expected, of, above), strict=True):
        torch.testing.assert_close(ours, true, rtol=0, atol=1e-11)


def test_result_keeps_channels_last() -> None:
    for depth in (8, 7):
        x, weight = drawn(2, 5, depth, 6, 7).requires_grad_(), drawn(4, 5, 3, 3, 3)
        found = convolved(x, weight)
        (gradient,) = torch.autograd.grad(found.sum(), x)
        assert found.is_contiguous(memory_format=torch.channels_last_3d)
        assert gradient.is_contiguous(memory_format=torch.channels_last_3d)


def test_layer_is_within_rounding_of_float32(calls: list[Tensor]) -> None:
    x, layer = drawn(2, 32, 16, 24, 16, dtype=torch.float32), WinogradConv3d(32, 32, 3, padding=1)
    exact = F.conv3d(x.double(), layer.weight.double(), layer.bias.double() if layer.bias is not None else None, padding=1)
    assert (layer(x) - exact).abs().max() < 1e-5 * exact.abs().max()
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (WinogradConv3d(32, 32, 3, padding=1), (1, 32, 3, 64, 64)),  # too flat
        (WinogradConv3d(32, 32, 3, padding=1), (2, 32, 8, 8, 8)),  # too small
        (WinogradConv3d(1, 16, 3, padding=1), (2, 1, 64, 64, 64)),  # a channel
        (WinogradConv3d(16, 32, 2, stride=2), (2, 16, 64, 64, 64)),  # another kernel
        (WinogradConv3d(32, 32, 3, padding=0), (2, 32, 16, 24, 16)),
    ],
)
def test_elsewhere_it_is_the_usual_layer(layer: WinogradConv3d, shape: tuple[int, ...], calls: list[Tensor]) -> None:
    x = drawn(*shape, dtype=torch.float32)
    expected = F.conv3d(x, layer.weight, layer.bias, layer.stride, layer.padding)
    assert torch.equal(layer(x), expected)
    assert not calls


def test_other_precisions_layouts_and_autocast_go_the_usual_way(calls: list[Tensor]) -> None:
    layer = WinogradConv3d(32, 32, 3, padding=1)
    x = drawn(2, 32, 16, 24, 16, dtype=torch.float32)
    layer(x.contiguous())
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    layer.double()(x.double())
    assert not calls


def test_vnet_uses_it_and_its_weights_keep_their_names(calls: list[Tensor]) -> None:
    built = VNet(3, 1, 2, 8, 0.0).network("linear").to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    built(drawn(2, 1, 32, 32, 32, dtype=torch.float32))
    assert calls
    weights = [weight for name, weight in built.state_dict().items() if name.endswith("weight") and weight.ndim == 5]
    assert {tuple(weight.shape[2:]) for weight in weights} == {(1, 1, 1), (2, 2, 2), (3, 3, 3)}
