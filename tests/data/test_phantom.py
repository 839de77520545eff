"""Synthetic scans."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from semiseg.data.folder import open_folder
from semiseg.data.phantom import phantom_case, write_phantom
from semiseg.data.preparation import Preparation
from semiseg.data.prepare import prepare
from semiseg.errors import SettingsError


@pytest.mark.parametrize("shape", [(40, 40, 40), (24, 40, 32), (128, 96)])
@pytest.mark.parametrize("classes", [2, 4])
def test_every_class_is_there_in_every_scan(shape: tuple[int, ...], classes: int) -> None:
    for seed in range(10):
        image, label = phantom_case(seed, shape, classes)
        assert (image.shape, label.shape, str(image.dtype), str(label.dtype)) == (shape, shape, "float32", "uint8")
        assert np.bincount(label.ravel(), minlength=classes).min() > 0.002 * label.size
        assert label.max() == classes - 1
        assert np.isfinite(image).all()


def test_a_scan_is_a_function_of_its_seed() -> None:
    image, label = phantom_case(3, (24, 24, 24))
    again, label_again = phantom_case(3, (24, 24, 24))
    assert np.array_equal(image, again)
    assert np.array_equal(label, label_again)
    assert np.array_equal(phantom_case(3, (24, 24, 24), 4)[0], image)  # the classes are of the label alone
    assert not np.array_equal(phantom_case(4, (24, 24, 24))[0], image)


def test_the_chamber_is_one_piece() -> None:
    for seed in range(10):
        assert ndimage.label(phantom_case(seed, (40, 40, 40))[1])[1] == 1


def test_brightness_alone_does_not_find_the_chamber() -> None:
    """The best threshold of each scan, chosen with its label in sight, stays far below what a network must reach."""
    best = []
    for seed in range(10):
        image, label = phantom_case(seed, (40, 40, 40))
        smooth = ndimage.gaussian_filter(image, 1)
        masks = [smooth > level for level in np.quantile(smooth, np.linspace(0.7, 0.99, 30))]
        best.append(max(2 * (mask & (label == 1)).sum() / (mask.sum() + (label == 1).sum()) for mask in masks))
    assert np.mean(best) < 0.75


def test_a_data_set_is_written_as_a_plain_folder(tmp_path: Path) -> None:
    write_phantom(tmp_path / "a", cases=5, labeled=2, test=3, shape=(24, 24), classes=4, seed=1)
    dataset = open_folder(tmp_path / "a")
    assert [case.label is not None for case in dataset.train] == [True, True, False, False, False]
    assert [case.label is not None for case in dataset.test] == [True] * 3
    assert (dataset.dimensions, dataset.classes) == (2, ("chamber", "wall", "neighbor"))
    assert len(list((tmp_path / "a" / "labels").iterdir())) == 5
    prepared = prepare(dataset.train, Preparation(), 4, tmp_path / "cache")
    assert prepared[0].image.shape == (1, 24, 24)


def test_the_same_seed_writes_the_same_data_set(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_phantom(tmp_path / name, cases=1, labeled=1, test=0, shape=(24, 24), seed=seed)
    a, b, c = (prepare(open_folder(tmp_path / name).train, Preparation(), 2, tmp_path / "cache")[0].image for name in "abc")
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_impossible_phantoms_are_refused(tmp_path: Path) -> None:
    for shape, classes in (((48, 48), 3), ((48,), 2), ((48, 8), 2)):
        with pytest.raises(SettingsError, match="phantom"):
            phantom_case(0, shape, classes)
    with pytest.raises(SettingsError, match="5 labelled scans of 4"):
        write_phantom(tmp_path, cases=4, labeled=5)
