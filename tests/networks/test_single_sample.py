"""Convolutions of a batch of one as two halves, against PyTorch's own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from semiseg.networks.single_sample import convolution, is_slow


@pytest.mark.parametrize(
    ("depth", "kernel", "stride", "padding", "bias"),
    [
        (6, 3, 1, 1, True),
        (5, 3, 1, 1, False),
        (1, 3, 1, 1, True),
        (8, 2, 2, 0, True),
        (7, 2, 2, 0, True),
        (9, 4, 2, 1, True),
        (2, 2, 2, 0, False),
    ],
)
def test_results_and_gradients_are_those_of_the_definition(depth: int, kernel: int, stride: int, padding: int, bias: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 3, depth, 6, 7, dtype=torch.float64).contiguous(memory_format=torch.channels_last_3d).requires_grad_()
    weight = torch.randn(4, 3, *[kernel] * 3, dtype=torch.float64).requires_grad_()
    shift = torch.randn(4, dtype=torch.float64).requires_grad_()
    expected = F.conv3d(x, weight, shift if bias else None, stride, padding)
    found = convolution(x, weight, shift if bias else None, stride, padding)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    assert found.is_contiguous(memory_format=torch.channels_last_3d)
    above, of = torch.randn_like(expected), (x, weight, shift) if bias else (x, weight)
    for one, other in zip(torch.autograd.grad(found, of, above), torch.autograd.grad(expected, of, above), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-11)


def test_only_a_small_batch_of_one_is_slow() -> None:
    assert is_slow(torch.empty(1, 16, 32, 40, 5))  # 16 x 32 x 40 = 20,480
    assert not is_slow(torch.empty(1, 16, 32, 41, 5))
    assert not is_slow(torch.empty(2, 16, 4, 4, 4))
