"""1 x 1 x 1 convolutions as products of matrices, against PyTorch's own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from semiseg.networks.pointwise import convolution


@pytest.mark.parametrize("bias", [True, False])
def test_results_and_gradients_are_those_of_the_definition(bias: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 5, 4, 6, 7, dtype=torch.float64).contiguous(memory_format=torch.channels_last_3d).requires_grad_()
    weight, shift = torch.randn(4, 5, 1, 1, 1, dtype=torch.float64).requires_grad_(), torch.randn(4, dtype=torch.float64).requires_grad_()
    expected = F.conv3d(x, weight, shift if bias else None)
    found = convolution(x, weight, shift if bias else None)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    assert found.is_contiguous()
    above, of = torch.randn_like(expected), (x, weight, shift) if bias else (x, weight)
    ours, true = torch.autograd.grad(found, of, above), torch.autograd.grad(expected, of, above)
    for one, other in zip(ours, true, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-11)
    assert ours[0].is_contiguous(memory_format=torch.channels_last_3d)
