"""Largest components in 2D and 3D, for every class."""

from __future__ import annotations

import torch

from semiseg.functional.pseudo_labels import hard_labels, keep_largest_components


def test_diagonal_voxels_touch_in_2d_and_3d() -> None:
    plane = torch.eye(4, dtype=torch.long)[None]
    volume = torch.zeros(1, 3, 3, 3, dtype=torch.long)
    volume[0, 0, 0, 0] = volume[0, 1, 1, 1] = volume[0, 2, 2, 2] = 1
    assert keep_largest_components(plane, 2).sum() == 4
    assert keep_largest_components(volume, 2).sum() == 3


def test_each_class_keeps_its_own_largest_component_and_the_rest_is_background() -> None:
    labels = torch.tensor([[[1, 1, 0, 1], [0, 0, 0, 0], [2, 0, 2, 2], [0, 0, 0, 0]]])
    expected = torch.tensor([[[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 2, 2], [0, 0, 0, 0]]])
    assert torch.equal(keep_largest_components(labels, 3), expected)


def test_a_tie_goes_to_the_first_and_empty_stays_empty() -> None:
    labels = torch.tensor([[[1, 0, 1]], [[0, 0, 0]]])
    assert torch.equal(keep_largest_components(labels, 2), torch.tensor([[[1, 0, 0]], [[0, 0, 0]]]))


def test_hard_labels_of_two_classes_are_the_threshold_at_one_half() -> None:
    logits = torch.tensor([[[0.0, 0.0, 2.0], [0.1, -0.1, 1.0]]])  # (1, 2, 3)
    assert hard_labels(logits).tolist() == [[1, 0, 0]]


def test_hard_labels_of_more_classes_are_the_highest_logit() -> None:
    logits = torch.tensor([[[0.0, 3.0], [1.0, 2.0], [0.5, -1.0]]])  # (1, 3, 2)
    assert hard_labels(logits).tolist() == [[1, 0]]
