"""Winograd's minimal filtering against the convolution by its definition."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from semiseg.networks import winograd
from semiseg.networks.winograd import FILTER, INPUT, OUTPUT, convolution


def drawn(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Standard normal; the same for the same shape. Channels last if it is an image."""
    values = torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)
    return values.contiguous(memory_format=torch.channels_last_3d) if len(shape) == 5 else values


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
    found = convolution(x, weight, shift if bias else None)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    above, of = drawn(*expected.shape), (x, weight, shift) if bias else (x, weight)
    for ours, true in zip(torch.autograd.grad(found, of, above), torch.autograd.grad(expected, of, above), strict=True):
        torch.testing.assert_close(ours, true, rtol=0, atol=1e-11)


def test_result_keeps_channels_last() -> None:
    for depth in (8, 7):
        x, weight = drawn(2, 5, depth, 6, 7).requires_grad_(), drawn(4, 5, 3, 3, 3)
        found = convolution(x, weight, None)
        (gradient,) = torch.autograd.grad(found.sum(), x)
        assert found.is_contiguous(memory_format=torch.channels_last_3d)
        assert gradient.is_contiguous(memory_format=torch.channels_last_3d)
