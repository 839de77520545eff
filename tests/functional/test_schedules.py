"""Ramps and learning rates at the values that the methods' descriptions give."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from semiseg.functional.schedules import consistency_weight, constant, polynomial, sigmoid_ramp, staircase


def test_ramp_starts_at_exp_minus_five_and_ends_at_one() -> None:
    assert sigmoid_ramp(0, 40) == pytest.approx(0.006738, abs=1e-6)  # exp(-5)
    assert sigmoid_ramp(20, 40) == pytest.approx(0.2865, abs=1e-4)  # exp(-5 / 4)
    assert sigmoid_ramp(41, 40) == sigmoid_ramp(3, 0) == 1.0


def test_consistency_weight_is_the_published_one_at_every_150th_step() -> None:
    for total, length, weight, ramp in [(6000, 40, 0.1, 1.0), (30000, 200, 0.1, 1.0), (15000, 40, 1.0, 0.4)]:
        for k in (0, 1, length // 2, length, total // 150 - 1):
            published = weight * sigmoid_ramp(k, length)
            assert consistency_weight(SimpleNamespace(overall=150 * k, total=total), weight, ramp) == pytest.approx(published)
    assert consistency_weight(SimpleNamespace(overall=0, total=6000), 0.1, 1) == pytest.approx(6.738e-4, rel=1e-4)  # 0.1 exp(-5)
    assert consistency_weight(SimpleNamespace(overall=3000, total=6000), 1, 1) == pytest.approx(0.2865, abs=1e-4)  # exp(-5 / 4)
    assert consistency_weight(SimpleNamespace(overall=0, total=6000), 0.1, 0) == 0.1


def test_polynomial_at_half_of_the_steps() -> None:
    assert 0.01 * polynomial(15000, 30000) == pytest.approx(0.0053589, abs=1e-7)  # 0.01 * 0.5^0.9


def test_staircase_falls_every_2500_steps() -> None:
    assert [0.01 * staircase(step, 6000) for step in (0, 2499, 2500, 5000)] == pytest.approx([0.01, 0.01, 1e-3, 1e-4])
    assert 0.01 * staircase(12_500, 15_000) == pytest.approx(1e-7)  # 0.01 * 0.1^5: the last sixth of MC-Net's length hardly learns


def test_constant_stays() -> None:
    assert constant(9, 10) == 1.0
