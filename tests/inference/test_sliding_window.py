from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from semiseg.errors import SettingsError
from semiseg.inference.sliding_window import Predict, sliding_window, window_starts

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "cml.json").read_text(encoding="utf-8"))["sliding_window"]
SIDES = st.lists(st.tuples(st.integers(1, 14), st.integers(1, 9), st.integers(1, 9)), min_size=2, max_size=3)


def golden_image(shape: tuple[int, ...], k: int) -> Tensor:
    """image(shape, k) of the golden values' README: pattern(shape, k + 1000, 1.5)."""
    i, k = np.arange(math.prod(shape), dtype=np.float64), k + 1000
    return torch.from_numpy((1.5 * np.sin(0.37 * (k + 1) + (1.7 + 0.013 * (k % 97)) * i)).astype(np.float32)).reshape(shape)


def whole(predict: Predict, volume: Tensor, patch: Sequence[int], stride: Sequence[int], batch: int, axis: int = 0) -> Tensor:
    """All slabs as one. (K, *S)"""
    return torch.cat(list(sliding_window(predict, volume, patch, stride, batch, axis)), dim=axis + 1)


def ramp_network(windows: Tensor) -> Tensor:
    """The golden toy: foreground logit = patch * linspace(0.5, 1.5) along the first axis, background logit 0."""
    logit = windows[:, 0] * torch.linspace(0.5, 1.5, windows.shape[2]).view(1, -1, 1, 1)
    return torch.stack([torch.zeros_like(logit), logit], dim=1).softmax(1)


@pytest.mark.parametrize("entry", GOLDEN, ids=["larger than the patch", "smaller along one axis"])
def test_agrees_with_the_released_code(entry: dict[str, Any]) -> None:
    image = golden_image(tuple(entry["image"]), entry["pattern_k"])
    score = whole(ramp_network, image[None], entry["patch"], entry["stride"], batch=3)[1]
    assert list(score.shape) == entry["score"]["shape"]
    assert float(score.mean()) == pytest.approx(entry["score"]["mean"], abs=1e-6)
    assert float(score.std()) == pytest.approx(entry["score"]["std"], abs=1e-6)
    for position, value in entry["score"]["at"].items():
        assert float(score.flatten()[int(position)]) == pytest.approx(value, abs=1e-6)
    assert int((score > 0.5).sum()) == entry["foreground_voxels"]


def test_windows_of_a_la_scan() -> None:
    assert window_starts(88, 80, 4) == [0, 4, 8]  # LA volumes are 88 slices deep: three positions
    assert window_starts(140, 112, 18) == [0, 18, 28]  # ceil(28 / 18) + 1 = 3, the last one clamped to the border
    assert window_starts(60, 112, 18) == [0]


@given(st.integers(1, 200), st.integers(1, 100), st.integers(1, 100))
def test_windows_cover_the_side_and_end_at_its_border(side: int, patch: int, stride: int) -> None:
    stride = min(stride, patch)
    starts = window_starts(side, patch, stride)
    assert len(starts) == max(math.ceil((side - patch) / stride), 0) + 1
    assert starts == sorted(set(starts))
    assert starts[-1] == max(side - patch, 0)  # flush
    assert all(later - earlier <= patch for earlier, later in pairwise(starts))  # no voxel is left out


@settings(max_examples=40, deadline=None)
@given(SIDES, st.integers(1, 5))
def test_a_constant_network_gives_a_constant_map(sides: list[tuple[int, int, int]], batch: int) -> None:
    shape, patch, stride = (tuple(column) for column in zip(*[(side, p, min(s, p)) for side, p, s in sides], strict=True))

    def constant(windows: Tensor) -> Tensor:
        assert windows.shape[1:] == (2, *patch)
        assert len(windows) <= batch
        return torch.tensor([0.2, 0.3, 0.5]).view(3, *[1] * len(patch)).expand(len(windows), 3, *patch)

    result = whole(constant, torch.zeros(2, *shape), patch, stride, batch=batch)
    assert result.shape == (3, *shape)
    for k, value in enumerate([0.2, 0.3, 0.5]):
        assert result[k].numpy() == pytest.approx(np.full(shape, value), abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(SIDES)
def test_a_voxelwise_network_sees_every_voxel_in_its_place(sides: list[tuple[int, int, int]]) -> None:
    shape, patch, stride = (tuple(column) for column in zip(*[(side, p, min(s, p)) for side, p, s in sides], strict=True))
    volume = torch.arange(1.0, 1 + math.prod(shape)).reshape(1, *shape)
    result = whole(lambda windows: windows, volume, patch, stride, batch=4)
    assert torch.allclose(result, volume)


def test_padding_is_symmetric_with_the_odd_voxel_at_the_end() -> None:
    seen: list[Tensor] = []

    def remember(windows: Tensor) -> Tensor:
        seen.append(windows)
        return windows

    whole(remember, torch.ones(1, 2, 5), (5, 5), (1, 1), batch=1)
    assert seen[0][0, 0, :, 0].tolist() == [0, 1, 1, 0, 0]  # 3 rows lack: 1 before, 2 after


def test_overlaps_are_uniform_averages() -> None:
    calls = iter([0.0, 1.0, 4.0])

    def count(windows: Tensor) -> Tensor:
        return torch.full_like(windows, next(calls))

    result = whole(count, torch.arange(16.0).view(1, 4, 4), (2, 4), (1, 4), batch=1)
    assert result[0, :, 0].tolist() == [0.0, 0.5, 2.5, 4.0]  # windows at rows 0, 1, 2 say 0, 1, 4


@pytest.mark.parametrize("stride", [(3, 2), (0, 2), (2,)])
def test_a_stride_that_leaves_voxels_out_is_refused(stride: tuple[int, ...]) -> None:
    with pytest.raises(SettingsError, match=r"inference.stride: .* does not suit patch \(2, 2\)"):
        whole(lambda windows: windows, torch.zeros(1, 4, 4), (2, 2), stride, batch=1)


@settings(max_examples=40, deadline=None)
@given(SIDES, st.integers(1, 5), st.data())
def test_a_part_of_a_scan_is_predicted_as_in_the_whole(sides: list[tuple[int, int, int]], batch: int, data: st.DataObject) -> None:
    shape, patch, stride = (tuple(column) for column in zip(*[(side, p, min(s, p)) for side, p, s in sides], strict=True))
    volume = torch.from_numpy(np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32))
    place = torch.linspace(0, 1, math.prod(patch)).view(1, 1, *patch)

    def positional(windows: Tensor) -> Tensor:
        return torch.cat([windows * place, windows + place], dim=1)

    expected = whole(positional, volume, patch, stride, batch)
    axis = data.draw(st.integers(0, len(shape) - 1))
    part = [sorted(data.draw(st.lists(st.integers(0, side), min_size=2, max_size=2, unique=True))) for side in shape]
    slabs = list(sliding_window(positional, volume, patch, stride, batch, axis, [(low, high) for low, high in part]))
    found = torch.cat(slabs, dim=axis + 1)
    if axis == 0:
        assert torch.equal(found, expected[(slice(None), *[slice(*span) for span in part])])  # bit for bit
    else:
        assert torch.allclose(found, expected[(slice(None), *[slice(*span) for span in part])], atol=1e-6)  # summed in another order


def test_no_more_than_a_patch_and_a_stride_of_rows_is_held() -> None:
    held: list[int] = []

    def remember(windows: Tensor) -> Tensor:
        held.append(int(windows[0, 0, 0, 0]))  # the window's first row
        return windows

    volume = torch.arange(100.0).view(1, 100, 1).expand(1, 100, 6)
    given_out = 0
    for slab in sliding_window(remember, volume, (10, 6), (4, 6), batch=1):
        assert torch.equal(slab[0, :, 0], torch.arange(float(given_out), given_out + slab.shape[1]))
        given_out += slab.shape[1]
        assert held[-1] + 10 - given_out <= 10  # what the last window reached, and is not given out
    assert given_out == 100


def test_windows_of_one_value_are_predicted_once() -> None:
    seen: list[int] = []

    def remember(windows: Tensor) -> Tensor:
        seen.append(len(windows))
        return 2 * windows

    volume = torch.zeros(1, 40, 4)
    volume[0, 16:20] = torch.arange(16.0).view(4, 4)
    assert torch.equal(whole(remember, volume, (4, 4), (4, 4), batch=1), 2 * volume)
    assert seen == [1, 1]  # one of zeros, and the one that is not; eight more of zeros
    seen.clear()
    volume[0, 20:24] = 1
    assert torch.equal(whole(remember, volume, (4, 4), (4, 4), batch=4), 2 * volume)
    assert seen == [4, 2]  # the first batch is all zeros; of the second zeros are known
