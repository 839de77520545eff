"""Components on runs, and in parallel rounds as an accelerator finds them, against scipy's on voxels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import ndimage

from semiseg.functional import components_on_device
from semiseg.functional.components import keep_largest


def by_voxels(labels: NDArray[Any], classes: int) -> NDArray[Any]:
    """The same by the book: label, count, keep the first of the largest."""
    kept = np.zeros_like(labels)
    for sample, out in zip(labels, kept, strict=True):
        for index in range(1, classes):
            components, count = ndimage.label(sample == index, np.ones((3,) * sample.ndim))
            if count:
                out[components == 1 + np.bincount(components.ravel())[1:].argmax()] = index
    return kept


@given(hnp.arrays(np.int64, hnp.array_shapes(min_dims=2, max_dims=4, max_side=8), elements=st.integers(0, 3)))
def test_random_labels_keep_what_a_search_over_voxels_keeps(labels: NDArray[np.int64]) -> None:
    assert np.array_equal(keep_largest(labels, 4), by_voxels(labels, 4))


@pytest.mark.parametrize("share", [0.0, 0.02, 0.2, 0.5, 1.0])
def test_specks_and_solid_samples_in_3d(share: float) -> None:
    random = np.random.default_rng(0)
    labels = (random.random((3, 12, 10, 9)) < share).astype(np.uint8)
    kept = keep_largest(labels, 2)
    assert kept.dtype == np.uint8
    assert np.array_equal(kept, by_voxels(labels, 2))


def test_rows_planes_and_samples_do_not_run_into_each_other() -> None:
    ends = np.zeros((2, 3, 4), np.int64)  # two samples of 3 x 4: the last voxel of a row is no neighbour of the next row's first
    ends[0, 0, 3] = ends[0, 1, 0] = ends[0, 1, 1] = ends[0, 2, 3] = ends[1, 0, 0] = 1
    expected = np.zeros_like(ends)
    expected[0, 1, :2] = expected[1, 0, 0] = 1
    assert np.array_equal(keep_largest(ends, 2), expected)


def test_labels_are_left_as_they_were_and_classes_touch_without_joining() -> None:
    labels = np.array([[[1, 2, 1, 1], [2, 2, 0, 0]]])
    before = labels.copy()
    assert keep_largest(labels, 3).tolist() == [[[0, 2, 1, 1], [2, 2, 0, 0]]]
    assert np.array_equal(labels, before)


def on_device(labels: NDArray[Any], classes: int) -> NDArray[Any]:
    kept: NDArray[Any] = components_on_device.keep_largest(torch.from_numpy(labels).long(), classes).numpy()
    return kept


@given(hnp.arrays(np.int64, hnp.array_shapes(min_dims=3, max_dims=4, max_side=8), elements=st.integers(0, 3)))
def test_parallel_rounds_keep_the_same(labels: NDArray[np.int64]) -> None:
    assert np.array_equal(on_device(labels, 4), by_voxels(labels, 4))


@pytest.mark.parametrize("share", [0.02, 0.1, 0.2, 0.4])  # between a tenth and a fifth, random voxels of a volume join in long branches
def test_parallel_rounds_follow_random_branches(share: float) -> None:
    labels = (np.random.default_rng(1).random((2, 32, 32, 32)) < share).astype(np.int64)
    assert np.array_equal(on_device(labels, 2), by_voxels(labels, 2))


def test_parallel_rounds_follow_a_path_that_winds_through_the_whole_image() -> None:
    path = np.zeros((1, 129, 129), np.int64)
    path[0, ::2] = 1  # rows, joined at the right and the left end in turn
    path[0, 1::4, -1] = path[0, 3::4, 0] = 1
    assert path.sum() == 65 * 129 + 64
    assert np.array_equal(on_device(path, 2), path)
    too_few = components_on_device.keep_largest(torch.from_numpy(path), 2, rounds=3)
    assert 0 < too_few.sum() < path.sum()  # what one gets where the rounds do not suffice
