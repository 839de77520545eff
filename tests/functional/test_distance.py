"""Signed distance maps at values that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from semiseg.functional.distance import segmentation_and_distance_losses, signed_distance_maps, squared_distances


def cube() -> torch.Tensor:
    """A cube of 3^3 in the middle of 7^3. (1, 7, 7, 7)"""
    labels = torch.zeros(1, 7, 7, 7, dtype=torch.long)
    labels[:, 2:5, 2:5, 2:5] = 1
    return labels


def test_cube_is_minus_one_in_its_middle_zero_on_its_surface_and_one_in_the_corners() -> None:
    labels = cube()
    distances = signed_distance_maps(labels, 2)
    assert distances.shape == (1, 1, 7, 7, 7)
    assert distances.dtype == torch.float32
    assert distances[0, 0, 3, 3, 3] == -1  # 2 / 2
    assert (distances[:, 0][labels == 1] == 0).sum() == 26  # 27 voxels less the middle
    assert distances[0, 0, 0, 0, 0] == distances[0, 0, 6, 6, 6] == 1  # sqrt(12) / sqrt(12)
    assert distances[0, 0, 1, 3, 3].item() == pytest.approx(0.288675, abs=1e-6)  # 1 / sqrt(12)


def test_square_in_2d() -> None:
    distances = signed_distance_maps(cube()[:, 3], 2)
    assert distances[0, 0, 3, 3] == -1
    assert distances[0, 0, 1, 3].item() == pytest.approx(1 / 8**0.5)  # the corner is sqrt(2^2 + 2^2) away


def test_an_object_cut_by_the_patch_has_no_surface_there() -> None:
    labels = (torch.arange(6) < 3).long().expand(1, 2, 6)
    assert signed_distance_maps(labels, 2)[0, 0, 0].tolist() == pytest.approx([-1, -2 / 3, 0, 1 / 3, 2 / 3, 1])


@pytest.mark.parametrize("shape", [(9, 14), (7, 5, 11)])
def test_distances_are_those_of_scipy(shape: tuple[int, ...]) -> None:
    masks = np.random.default_rng(0).random((3, *shape)) > 0.9
    expected = np.stack([ndimage.distance_transform_edt(~mask) for mask in masks])
    np.testing.assert_allclose(squared_distances(torch.from_numpy(masks)).sqrt(), expected, rtol=1e-6)


@pytest.mark.parametrize(("absent", "value"), [("outside", 1), ("zero", 0)])
def test_absent_class_and_class_that_fills_the_patch_are_finite(absent: str, value: float) -> None:
    full = torch.ones(1, 4, 4, dtype=torch.long)
    distances = signed_distance_maps(full, 3, absent)  # type: ignore[arg-type]
    assert (distances[:, 0] == -1).all()
    assert (distances[:, 1] == value).all()


def test_each_class_and_each_sample_has_its_own_map() -> None:
    labels = torch.cat([cube(), 2 * cube()])
    distances = signed_distance_maps(labels, 3, "zero")
    assert torch.equal(distances[0, 0], distances[1, 1])
    assert (distances[[0, 1], [1, 0]] == 0).all()


def test_supervised_losses_are_zero_where_both_heads_are_right() -> None:
    labels = cube()
    logits = 100 * torch.stack([labels == 0, labels == 1], 1).float()
    losses = segmentation_and_distance_losses(logits, signed_distance_maps(labels, 2), labels, 0.3, "outside")
    assert [loss.item() for loss in losses.values()] == pytest.approx([0, 0], abs=1e-6)
    shifted = segmentation_and_distance_losses(logits, signed_distance_maps(labels, 2) + 0.5, labels, 0.3, "outside")
    assert shifted["distance"].item() == pytest.approx(0.075)  # 0.3 * 0.5^2
