"""Sharpening at values that can be worked out by hand."""

from __future__ import annotations

import pytest
import torch

from semiseg.functional.sharpening import sharpen


def test_sharpening_raises_to_the_tenth_power() -> None:
    # 0.6^10 / (0.6^10 + 0.4^10) = 1 / (1 + (2/3)^10) = 1 / 1.017342
    assert sharpen(torch.tensor(0.6), 0.1).item() == pytest.approx(0.982954, abs=1e-5)
    assert sharpen(torch.tensor([0.0, 0.5, 1.0]), 0.1).tolist() == [0.0, 0.5, 1.0]


def test_temperature_one_changes_nothing() -> None:
    p = torch.rand(2, 3, 4)
    assert torch.allclose(sharpen(p, 1.0), p)


def test_each_class_is_sharpened_on_its_own() -> None:
    sharp = sharpen(torch.full((1, 4, 1), 0.25), 0.1)
    # each 1 / (1 + 3^10) = 1 / 59050, so that four classes do not add up to 1
    assert sharp.sum().item() == pytest.approx(4 / 59050, rel=1e-4)


def test_gradients_are_finite_at_zero_and_one() -> None:
    p = torch.tensor([0.0, 1e-30, 0.5, 1.0], requires_grad=True)
    sharpen(p, 0.02).sum().backward()  # type: ignore[no-untyped-call]
    assert p.grad is not None
    assert torch.isfinite(p.grad).all()
