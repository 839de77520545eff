"""Overlap and distances: worked by hand, and against MedPy."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import ndimage

from semiseg.evaluation.metrics import ClassScore, class_scores, scores

DISTANCES = ("hd95", "asd", "assd")
Mask = NDArray[np.bool_]


def line(*filled: int, length: int = 10) -> Mask:
    mask = np.zeros(length, bool)
    mask[list(filled)] = True
    return mask


def assert_equals_medpy(ours: ClassScore, prediction: Mask, reference: Mask, spacing: tuple[float, ...] | None) -> None:
    binary = pytest.importorskip("medpy.metric.binary")
    assert ours.status == "ok"
    assert ours.dice == pytest.approx(binary.dc(prediction, reference), abs=1e-12)
    assert ours.jaccard == pytest.approx(binary.jc(prediction, reference), abs=1e-12)
    for name in DISTANCES:
        theirs = getattr(binary, name)
        assert getattr(ours, f"{name}_voxel") == pytest.approx(theirs(prediction, reference), abs=1e-6)
        if spacing is not None:
            assert getattr(ours, f"{name}_mm") == pytest.approx(theirs(prediction, reference, voxelspacing=spacing), abs=1e-6)


# By hand


def test_one_voxel_against_another() -> None:
    score = class_scores(line(2), line(5), (2.0,))
    assert (score.dice, score.jaccard, score.status) == (0, 0, "ok")
    assert (score.hd95_voxel, score.asd_voxel, score.assd_voxel) == (3, 3, 3)
    assert (score.hd95_mm, score.asd_mm, score.assd_mm) == (6, 6, 6)
    assert (score.prediction_voxels, score.prediction_volume) == (1, 2)


def test_overlap_and_directions() -> None:
    score = class_scores(line(2, 3), line(3, 4, 5, 6), (1.0,))
    assert score.dice == pytest.approx(2 * 1 / (2 + 4))
    assert score.jaccard == pytest.approx(1 / 5)
    # Surfaces {2, 3} and {3, 6} (4 and 5 have both neighbours). Forth: 1, 0. Back: 0, 3.
    assert score.asd_voxel == pytest.approx(1 / 2)  # one way
    assert score.assd_voxel == pytest.approx((1 + 0 + 0 + 3) / 4)
    assert score.hd95_voxel == pytest.approx(1 + 0.85 * 2)  # position 0.95 * 3 = 2.85 in 0, 0, 1, 3


def test_hd95_pools_both_directions_before_the_percentile() -> None:
    prediction, reference = np.zeros((30, 30), bool), np.zeros((30, 30), bool)
    prediction[:, 0], reference[:, 0], prediction[29, 29] = True, True, True
    # 61 surface voxels: 60 at distance 0 and one at 29. The larger of two percentiles would be above 0.
    assert class_scores(prediction, reference).hd95_voxel == 0
    assert class_scores(prediction, reference).asd_voxel == pytest.approx(29 / 31)
    assert class_scores(reference, prediction).asd_voxel == 0


def test_spacing_can_change_which_voxel_is_nearest() -> None:
    prediction, reference = np.zeros((8, 8), bool), np.zeros((8, 8), bool)
    prediction[0, 0] = reference[2, 0] = reference[0, 5] = True
    score = class_scores(prediction, reference, (10.0, 1.0))
    assert score.asd_voxel == 2
    assert score.asd_mm == 5  # not 20


def test_a_mask_at_the_border_of_the_volume_is_surface_there() -> None:
    full, center = np.ones((5, 5), bool), np.zeros((5, 5), bool)
    center[2, 2] = True
    score = class_scores(center, full)
    assert score.asd_voxel == 2
    assert score.hd95_voxel == pytest.approx(math.sqrt(8))  # the four corners, of 17 distances: position 0.95 * 16 = 15.2


def test_equal_masks_are_perfect() -> None:
    score = class_scores(line(1, 2, 3), line(1, 2, 3), (0.5,))
    assert (score.dice, score.jaccard, score.hd95_mm, score.asd_mm, score.assd_mm) == (1, 1, 0, 0, 0)


# Nothing to measure is never a perfect distance


@pytest.mark.parametrize(
    ("prediction", "reference", "status", "dice"),
    [
        (line(), line(3), "empty prediction", 0),
        (line(3), line(), "empty reference", 0),
        (line(), line(), "both empty", math.nan),
    ],
)
def test_empty_masks_have_no_distance(prediction: Mask, reference: Mask, status: str, dice: float) -> None:
    score = class_scores(prediction, reference, (1.0,))
    assert score.status == status
    assert score.dice == pytest.approx(dice, nan_ok=True)
    assert score.jaccard == pytest.approx(dice, nan_ok=True)
    assert all(math.isnan(getattr(score, f"{name}_{unit}")) for name in DISTANCES for unit in ("voxel", "mm"))


def test_without_a_spacing_there_are_no_millimeters() -> None:
    score = class_scores(line(2), line(5))
    assert score.hd95_voxel == 3
    assert all(math.isnan(v) for v in (score.hd95_mm, score.asd_mm, score.assd_mm, score.prediction_volume))


def test_label_maps_are_scored_class_by_class() -> None:
    prediction, reference = np.array([0, 1, 1, 2, 0]), np.array([0, 1, 2, 2, 3])
    first, second, third = scores(prediction, reference, ["a", "b", "c"], (3.0,))
    assert first.dice == pytest.approx(2 / 3)  # 2*1 / (2+1)
    assert second.dice == pytest.approx(2 / 3)  # 2*1 / (1+2)
    assert (first.name, first.prediction_voxels, first.reference_voxels) == ("a", 2, 1)
    assert (second.name, second.reference_volume) == ("b", 6)
    assert (third.name, third.dice, third.status) == ("c", 0, "empty prediction")


def test_shapes_and_spacing_are_checked() -> None:
    with pytest.raises(ValueError, match=r"\(10,\).*\(9,\)"):
        class_scores(line(1), line(1, length=9))
    for spacing in ((1.0, 1.0), (0.0,), (math.nan,)):
        with pytest.raises(ValueError, match="expected 1 positive number"):
            class_scores(line(1), line(1), spacing)


# Against MedPy

two_masks = hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=9).flatmap(
    lambda shape: st.tuples(hnp.arrays(bool, shape), hnp.arrays(bool, shape))
)
spacings = st.tuples(*[st.sampled_from([0.625, 1.0, 1.5, 10.0])] * 3)


@settings(max_examples=150, deadline=None)
@given(two_masks, spacings)
def test_random_masks_score_as_with_medpy(masks: tuple[Mask, Mask], spacing: tuple[float, ...]) -> None:
    prediction, reference = masks
    spacing = spacing[: prediction.ndim]
    score = class_scores(prediction, reference, spacing)
    if prediction.any() and reference.any():
        assert_equals_medpy(score, prediction, reference, spacing)
    else:
        assert score.status != "ok"


@settings(max_examples=30, deadline=None)
@given(two_masks, spacings)
def test_swapping_the_masks_changes_only_what_has_a_direction(masks: tuple[Mask, Mask], spacing: tuple[float, ...]) -> None:
    spacing = spacing[: masks[0].ndim]
    score, swapped = asdict(class_scores(*masks, spacing)), asdict(class_scores(*masks[::-1], spacing))
    for name in ("dice", "jaccard", "hd95_voxel", "hd95_mm", "assd_voxel", "assd_mm"):
        assert score[name] == pytest.approx(swapped[name], nan_ok=True)
    assert score["prediction_volume"] == swapped["reference_volume"]


def test_a_real_atrium_scores_as_with_medpy(la_folder: Path) -> None:
    case = (la_folder / "train.list").read_text(encoding="utf-8").split()[0]
    with h5py.File(la_folder / "2018LA_Seg_Training Set" / case / "mri_norm2.h5") as file:
        label = file["label"][()] == 1
    prediction = np.roll(ndimage.binary_erosion(label, iterations=2), (3, -2, 1), axis=(0, 1, 2))
    spacing = (0.625, 0.625, 1.25)
    assert_equals_medpy(class_scores(prediction, label, spacing), prediction, label, spacing)
