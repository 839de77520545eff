from __future__ import annotations

import io
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from semiseg.case import Array
from semiseg.reporting.figures import COLORS, Example, Plane, fullest_index, fullest_planes, loss_curves, slices_figure, tint


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


def test_loss_curves_skip_nothing_and_repeat_exactly(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("step,stage,loss\n10,pretrain,1.5\n20,pretrain,1.0\n30,self-train,1.2\n")
    light, again, dark = loss_curves({"CML": log}), loss_curves({"CML": log}), loss_curves({"CML": log}, dark=True)
    assert light == again
    assert pixels(light)[0, 0, 0] == 1.0  # a white page
    assert pixels(dark)[0, 0, 0] < 0.2
