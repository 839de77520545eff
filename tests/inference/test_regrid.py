"""From the prepared grid back to the scan's own, slab by slab as in one piece."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from semiseg.data.resample import resample_image
from semiseg.inference.regrid import axis_map, regridded

SIZES = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=2, max_size=3)


def test_linear_neighbours_of_voxels() -> None:
    finer = axis_map(2, 4, linear=True)  # middles at -0.25, 0.25, 0.75, 1.25 of two voxels at 0 and 1
    assert finer.low.tolist() == [0, 0, 0, 1]
    assert finer.high.tolist() == [1, 1, 1, 1]
    assert finer.weight is not None
    assert finer.weight.tolist() == [0, 0.25, 0.75, 0]
    assert axis_map(7, 7, linear=True).whole
    assert axis_map(5, 3, linear=False).low.tolist() == [0, 2, 4]  # corners on corners, as `resize` has it


@settings(max_examples=60, deadline=None)
@given(SIZES, st.booleans(), st.data())
def test_slabs_of_any_height_make_the_same_whole(sizes: list[tuple[int, int]], linear: bool, data: st.DataObject) -> None:
    prepared, shape = (tuple(column) for column in zip(*sizes, strict=True))
    axis = data.draw(st.integers(0, len(shape) - 1))
    values = torch.from_numpy(np.random.default_rng(0).random((2, *prepared)).astype(np.float32))
    maps = [axis_map(*pair, linear) for pair in sizes]
    expected = values
    for k, way in enumerate(maps):
        expected = way.apply(expected, k + 1)
    cuts = sorted(data.draw(st.sets(st.integers(1, max(prepared[axis] - 1, 1)), max_size=3)) - {prepared[axis]})
    slabs = torch.tensor_split(values, cuts, dim=axis + 1)
    found = list(regridded(slabs, maps, axis, data.draw(st.integers(1, 5))))
    assert torch.cat(found, dim=axis + 1).shape == (2, *shape)
    assert torch.allclose(torch.cat(found, dim=axis + 1), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(5, 9, 20), (16, 3, 7)])
def test_the_way_back_is_the_rule_of_the_way_there(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).random((1, 8, 6, 10)).astype(np.float32)
    maps = [axis_map(*pair, linear=True) for pair in zip(values.shape[1:], shape, strict=True)]
    (found,) = regridded([torch.from_numpy(values)], maps, 0, shape[0])
    assert found.numpy() == pytest.approx(resample_image(values, shape), abs=1e-5)


def test_a_part_of_an_axis_counts_from_what_it_needs() -> None:
    whole = axis_map(4, 16, linear=True)
    values = torch.arange(4.0).view(1, 4)
    low, high = whole.span(6, 11)
    part: Tensor = whole.part(6, 11).apply(values[:, low:high], 1)
    assert torch.equal(part, whole.apply(values, 1)[:, 6:11])
