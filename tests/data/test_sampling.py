"""Which case and which crop."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semiseg.data.sampling import Symmetry, case_index, crop_shape, draw, draw_start, draw_symmetry, generator


@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(0, 5), st.integers(1, 5))
def test_every_case_comes_once_an_epoch(seed: int, cases: int, epoch: int, slots: int) -> None:
    indices = [case_index(seed, "labeled", epoch * cases + i, cases) for i in range(cases)]
    assert sorted(indices) == list(range(cases))


def test_orders_differ_by_seed_stream_and_epoch() -> None:
    def order(seed: int, stream: str, epoch: int) -> list[int]:
        return [case_index(seed, stream, 20 * epoch + i, 20) for i in range(20)]

    orders = {tuple(order(seed, stream, epoch)) for seed in (0, 1) for stream in ("labeled", "unlabeled") for epoch in (0, 1)}
    assert len(orders) == 8


def test_a_draw_depends_on_nothing_but_its_arguments() -> None:
    shapes = [(30, 20, 10), (12, 40, 9)]

    def at(step: int, slot: int, stream: str = "labeled") -> object:
        return draw(7, stream, step, slot, 2, shapes, (8, 8, 8), "in_plane")

    assert at(5, 1) == at(5, 1)
    assert len({at(step, slot, stream) for step in range(20) for slot in range(2) for stream in ("labeled", "unlabeled")}) > 70  # of 80


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 1000))
def test_a_crop_lies_in_the_scan_or_the_scan_in_the_crop(side: int, size: int, seed: int) -> None:
    start = draw_start(generator(seed, "x"), side, size)
    assert 0 <= start <= side - size or side - size <= start <= 0


def test_a_small_scan_is_centred() -> None:
    assert draw_start(generator(0, "x"), 3, 8) == -2  # 2 zeros before, 3 after
    assert draw_start(generator(0, "x"), 8, 8) == 0


def test_every_valid_start_is_drawn_about_equally_often() -> None:
    counts = Counter(draw(0, "x", step, 0, 1, [(12, 9)], (9, 9)).start for step in range(4000))
    assert set(counts) == {(0, 0), (1, 0), (2, 0), (3, 0)}  # the last one too
    assert min(counts.values()) > 900  # 1000 expected, deviation 27


@pytest.mark.parametrize(("symmetry", "outcomes"), [("none", 1), ("flips", 4), ("in_plane", 8), ("in_plane_released", 4)])
def test_symmetries_have_so_many_outcomes(symmetry: Symmetry, outcomes: int) -> None:
    square = np.arange(9).reshape(3, 3)
    seen: Counter[bytes] = Counter()
    for seed in range(400):
        turns, flips = draw_symmetry(generator(seed, "x"), symmetry, 2)
        seen[np.flip(np.rot90(square, turns), flips).tobytes()] += 1
    assert len(seen) == outcomes
    assert min(seen.values()) > 250 / outcomes
    assert (square.tobytes() in seen) is (symmetry != "in_plane_released")  # the released code never shows a scan as it is


def test_flips_are_of_every_axis_in_3d() -> None:
    assert len({draw_symmetry(generator(seed, "x"), "flips", 3) for seed in range(200)}) == 8


def test_a_symmetry_comes_as_often_as_it_is_told() -> None:
    draws = [draw(0, "x", step, 0, 1, [(8, 8)], (4, 4), "in_plane_released", 0.25) for step in range(2000)]
    assert sum(bool(item.flips) for item in draws) == pytest.approx(500, abs=60)  # deviation 19


def test_a_turned_crop_is_cut_with_its_sides_swapped() -> None:
    assert [crop_shape((4, 6, 5), turns) for turns in range(4)] == [(4, 6, 5), (6, 4, 5), (4, 6, 5), (6, 4, 5)]
