from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest

from semiseg.case import Array
from semiseg.reporting.figures import COLORS, Example, Plane, fullest_index, fullest_planes, slices_figure, tint
from semiseg.reporting.tiles import tiles_figure
from semiseg.reporting.training_figures import agreement_curves, health_curves, loss_curves


def labels(*shape: int) -> Array:
    return np.zeros(shape, np.uint8)


def example(label: Array, spacing: tuple[float, ...], predictions: int = 2) -> Example:
    image = np.random.default_rng(0).normal(size=label.shape)
    return Example("a", image, label, {f"method {i}": label for i in range(predictions)}, spacing)


def pixels(png: bytes) -> Array:
    return matplotlib.image.imread(io.BytesIO(png), format="png")


def test_the_slice_with_most_label_is_shown() -> None:
    label = labels(5, 6, 7)
    label[1, 2, 3] = label[2, 2, 3] = label[2, 3, 4] = 1
    assert [fullest_index(label, axis) for axis in range(3)] == [2, 2, 3]  # 2 of 3 voxels lie there


def test_a_small_class_counts_as_much_as_a_large_one() -> None:
    label = labels(4, 10, 10)
    label[0] = 1  # 100 of 100 voxels of class 1: 1
    label[2, :9] = 1  # 90 of them, and both of class 2: 0.9 + 1
    label[2, 9, :2] = 2
    assert fullest_index(label, 0) == 2


def test_without_a_label_the_middle_is_shown() -> None:
    assert fullest_planes(labels(5, 6, 7), (2, 1, 0)) == [Plane(2, 3), Plane(1, 3), Plane(0, 2)]


def test_a_plane_is_cut_with_the_first_axis_to_the_right() -> None:
    volume = np.arange(24).reshape(2, 3, 4)
    assert Plane(2, 1).cut(volume).tolist() == volume[:, :, 1].T.tolist()
    assert Plane(2, 1).pixel((1.0, 2.0, 3.0)) == (2.0, 1.0)
    assert Plane(0, 1).size((2, 3, 4), (1.0, 2.0, 3.0)) == (12.0, 6.0)  # 4 x 3 mm high, 3 x 2 mm wide
    assert Plane(None).size((2, 3), (1.0, 2.0)) == (6.0, 2.0)


def test_each_class_has_its_color_and_the_background_none() -> None:
    rgba = tint(np.array([[0, 1, 2]]))
    assert rgba[0, 0, 3] == 0
    assert rgba[0, 1].tolist() == pytest.approx([0xE6 / 255, 0x9F / 255, 0, 0.6])  # "#E69F00"
    assert len(set(COLORS)) == 7


def test_the_same_example_gives_the_same_bytes() -> None:
    label = labels(6, 8, 4)
    label[2:4, 3:5, 1:3] = 1
    assert slices_figure(example(label, (1.0, 1.0, 2.0)), ["organ"]) == slices_figure(example(label, (1.0, 1.0, 2.0)), ["organ"])


def test_pictures_keep_the_physical_aspect() -> None:
    flat, tall = (slices_figure(example(labels(8, 8, 8), spacing), ["organ"], axes=(0,)) for spacing in [(1.0, 1.0, 1.0), (1.0, 1.0, 3.0)])
    (flat_height, width), (tall_height, same_width) = pixels(flat).shape[:2], pixels(tall).shape[:2]
    assert width == same_width
    assert tall_height - flat_height == pytest.approx(2 * 2.2 * 150, abs=2)  # a column is 2.2 inches wide; 3 times as high, not once


def test_each_prediction_is_a_column() -> None:
    one, two = (pixels(slices_figure(example(labels(8, 8, 8), (1.0,) * 3, n), ["organ"])).shape[1] for n in (1, 2))
    assert two - one == pytest.approx((2.2 + 0.06) * 150, abs=2)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 2.0)])
def test_a_2d_image_is_one_row(spacing: tuple[float, ...]) -> None:
    label = labels(8, 10)
    label[0:3, 0:4] = 1  # touches the border, where the outline must close
    assert pixels(slices_figure(example(label, spacing), ["organ"])).std() > 0


def test_constant_scans_and_empty_masks_can_be_drawn() -> None:
    blank = Example("a", np.zeros((4, 5, 6)), labels(4, 5, 6), {"CML": labels(4, 5, 6)}, (1.0,) * 3)
    assert slices_figure(blank, ["organ"]).startswith(b"\x89PNG")


LOG = [
    {"step": "10", "stage": "pretrain", "loss": "1.5"},
    {"step": "20", "stage": "pretrain", "loss": "1.0", "pseudo_volume/organ": "0.001"},
    {"step": "30", "stage": "self-train", "loss": "1.2", "pseudo_volume/organ": "1.1", "pseudo_agreement": "0.9", "pseudo_change": "0.1"},
]


@pytest.mark.parametrize("draw", [loss_curves, health_curves, agreement_curves])
def test_curves_of_a_training_repeat_exactly_and_follow_the_page(draw: Callable[..., bytes]) -> None:
    light, again, dark = draw({"CML": LOG}), draw({"CML": LOG}), draw({"CML": LOG}, dark=True)
    assert light == again
    assert pixels(light)[0, 0, 0] == 1.0  # a white page
    assert pixels(dark)[0, 0, 0] < 0.2
    one, four = (pixels(draw({str(i): LOG for i in range(count)})).shape for count in (2, 4))
    assert four[0] == 2 * one[0]  # three in a row


def test_maps_and_contrasts_are_columns_too() -> None:
    label = labels(8, 8, 8)
    label[2:5, 2:5, 2:5] = 1
    plain = example(label, (1.0,) * 3)
    more = replace(plain, maps={"views disagree": np.linspace(0, 1, 512).reshape(8, 8, 8)}, contrast=label)
    assert more.columns() == ["Scan", "Label", "method 0", "method 1", "Where they differ", "views disagree"]
    narrow, wide = (pixels(slices_figure(each, ["organ"])).shape[1] for each in (plain, more))
    assert wide - narrow == pytest.approx(2 * (2.2 + 0.06) * 150, abs=2)


def test_many_methods_are_tiles_of_one_slice() -> None:
    label = labels(8, 8, 4)
    label[2:5, 2:5, 1:3] = 1
    few, many = (pixels(tiles_figure(example(label, (1.0, 1.0, 4.0), count), ["organ"])).shape for count in (2, 6))
    assert few[1] == many[1]  # four in a row
    assert many[0] - few[0] == pytest.approx((2.2 + 0.5) * 150, abs=2)  # one more row of square tiles with their titles
