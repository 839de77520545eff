"""Another voxel size: the same place, the same values, the same borders."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from semiseg.case import Array, Case
from semiseg.data.preparation import Preparation, prepare_image, prepare_label
from semiseg.data.prepare import prepare
from semiseg.data.resample import covering, resample_image, resample_label, resampled_shape
from semiseg.errors import DataError, SettingsError

PLAIN = Preparation(normalize="none")


def half_mm(**settings: object) -> Preparation:
    return Preparation.model_validate({"normalize": "none", "spacing": (0.5, 0.5, 0.5), **settings})


def ramp(shape: tuple[int, ...], spacing: tuple[float, ...]) -> Array:
    """Millimetres from the outer face of the first voxel to each voxel's middle, along the last axis."""
    line = (np.arange(shape[-1]) + 0.5) * spacing[-1]
    return np.broadcast_to(line, shape).astype(np.float32)


def test_a_whole_number_of_voxels_between_the_same_borders() -> None:
    assert resampled_shape((10, 20, 7), (1.0, 0.5, 3.0), (0.5, 1.0, 2.0)) == (20, 10, 10)  # 21 mm in voxels of 2: 10 of 2.1
    assert resampled_shape((4, 4), (1.0, 1.0), (50.0, 50.0)) == (1, 1)
    assert resampled_shape((5, 10, 20), (9.0, 1.0, 1.0), (0.5, 2.0), slice_axis=0) == (5, 20, 10)  # the slices stay
    with pytest.raises(SettingsError, match=r"preparation.spacing \(1.0, 1.0\): has 2 numbers, and the scan 3 axes"):
        resampled_shape((4, 4, 4), (1.0, 1.0, 1.0), (1.0, 1.0))


def test_a_voxel_keeps_its_millimetres() -> None:
    image = ramp((3, 4, 12), (1.0, 1.0, 2.0))[None]  # 24 mm
    finer = resample_image(image, (3, 4, 48))
    assert finer[0, 0, 0, 2:-2] == pytest.approx((np.arange(2, 46) + 0.5) * 0.5, abs=1e-5)  # within the outermost middles
    assert finer[0, 0, 0, :2] == pytest.approx([1.0, 1.0])  # beyond them nothing is known but the last value
    coarser = resample_image(image, (3, 4, 6))
    assert coarser[0, 2, 3] == pytest.approx((np.arange(6) + 0.5) * 4, abs=1e-5)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(9, 25, 7), (30, 10, 14)])
def test_images_are_resampled_as_scipy_does(order: str, shape: tuple[int, ...]) -> None:
    image = np.asarray(np.random.default_rng(0).normal(size=(18, 20, 14)), dtype=np.float32, order="F" if order == "F" else "C")
    factors = [new / old for new, old in zip(shape, image.shape, strict=True)]
    expected = ndimage.zoom(image, factors, order=1, mode="nearest", grid_mode=True)
    assert resample_image(image[None], shape)[0] == pytest.approx(expected, abs=1e-4)


def test_what_needs_no_resampling_is_left_alone() -> None:
    image = np.random.default_rng(0).normal(size=(1, 5, 6, 7)).astype(np.float32)
    assert resample_image(image, (5, 6, 7)) is image
    assert np.array_equal(resample_image(image, (5, 6, 14))[:, :, :, ::2].shape, (1, 5, 6, 7))
    both = resample_image(image[:, :, :, :1], (5, 6, 3))  # one voxel has one value, however many times it is cut
    assert np.array_equal(both, np.repeat(image[:, :, :, :1], 3, axis=3))


def test_a_label_takes_the_voxel_that_its_middle_lies_in() -> None:
    assert covering(4, 8).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert covering(6, 2).tolist() == [1, 4]
    assert covering(4, 2).tolist() == [1, 3]  # on a border: the later one
    assert covering(5, 5).tolist() == [0, 1, 2, 3, 4]
    label = np.random.default_rng(0).integers(0, 4, (5, 6, 7)).astype(np.uint8)
    assert np.array_equal(resample_label(resample_label(label, (10, 18, 28)), (5, 6, 7)), label)


def test_image_and_label_stay_on_each_other() -> None:
    """A ball of 9 mm in voxels of 1 x 0.7 x 2.5 mm, brought to 1.2 mm: the brighter half of the image is the label."""
    shape, spacing = (30, 44, 12), (1.0, 0.7, 2.5)
    points = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) * s for n, s in zip(shape, spacing, strict=True)], indexing="ij"))
    distance = np.sqrt(((points - np.array([16, 14, 15]).reshape(3, 1, 1, 1)) ** 2).sum(0))
    settings = Preparation(normalize="none", spacing=(1.2, 1.2, 1.2))
    image = prepare_image((9 - distance)[None], settings, spacing)[0]
    label = prepare_label(distance < 9, settings, spacing)
    assert image.shape == label.shape == (25, 26, 25)
    wrong = label != (image > 0)
    assert np.abs(image[wrong]).max(initial=0) < 1.25  # none is further from the surface than half of the longest voxel


def test_clip_then_normalise_then_resample() -> None:
    image = np.array([[-2000.0, -100, 0, 100, 3000]])[None]
    fixed = Preparation(clip=(-100, 200), normalize="fixed", mean=50, std=25)
    assert prepare_image(image, fixed).tolist() == [[[-6, -6, -2, 2, 6]]]
    assert (fixed.mean, fixed.std) == ((50.0,), (25.0,))
    both = Preparation(normalize="fixed", mean=(0, 100), std=(1, 10))
    assert prepare_image(np.concatenate([image, image]), both)[1].tolist() == [[-210, -20, -10, 0, 290]]
    with pytest.raises(SettingsError, match=r"mean has 2 numbers.*the scan has 1 modalities"):
        prepare_image(image, both)
    scored = prepare_image(image, Preparation(clip=(-100, 200)))
    assert (float(scored.mean()), float(scored.std())) == pytest.approx((0, 1), abs=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"clip": (1, 0)}, "lowest value comes first"),
        ({"normalize": "fixed"}, "needs mean and std"),
        ({"normalize": "fixed", "mean": 1, "std": 0}, "above 0"),
        ({"spacing": (1, 1), "resize": (4, 4)}, "Choose one"),
        ({"spacing": (1, 0, 1)}, "greater than 0"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Preparation.model_validate(settings)


def test_the_array_of_the_caller_is_not_changed() -> None:
    image = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    before = image.copy()
    prepare_image(image, Preparation(clip=(3, 9)))
    prepare([Case("a", (image[0],))], Preparation(clip=(3, 9)), 2)
    assert np.array_equal(image, before)


def write_nifti(path: Path, array: Array, spacing: tuple[float, float, float]) -> Path:
    nibabel.save(nibabel.Nifti1Image(array, np.diag([*spacing, 1.0])), path)
    return path


def test_cases_are_prepared_at_the_spacing_that_is_asked_for(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 3, (6, 8, 4)).astype(np.int16)
    files = [write_nifti(tmp_path / f"{name}.nii", values, (1.0, 0.5, 2.0)) for name in ("image", "label")]
    (one,) = prepare([Case("a", (files[0],), files[1])], half_mm(), 3, tmp_path / "cache")
    assert one.label is not None
    assert one.image.shape[1:] == one.label.shape == (12, 8, 16)
    assert one.image.flags.c_contiguous
    (plain,) = prepare([Case("a", (files[0],), files[1])], PLAIN, 3, tmp_path / "cache")  # another key
    assert plain.image.shape == (1, 6, 8, 4)
    slices = prepare([Case("a", (files[0],), files[1])], half_mm(spacing=(0.5, 0.5), slice_axis=2), 3, tmp_path / "cache")
    assert [item.image.shape for item in slices] == [(1, 12, 8)] * 4


def test_a_scan_without_voxel_size_needs_one(tmp_path: Path) -> None:
    image = np.random.default_rng(0).normal(size=(4, 4, 4))
    with pytest.raises(DataError, match=r"scan_1: holds no voxel size, and preparation.spacing .* asks for one.*column `spacing`"):
        prepare([Case("scan_1", (image,))], half_mm(), 2)
    (given,) = prepare([Case("a", (image,), spacing=(1.0, 1.0, 2.0))], half_mm(), 2)
    assert given.image.shape == (1, 8, 8, 16)


def test_the_same_file_with_another_spacing_is_another_scan(tmp_path: Path) -> None:
    from h5py import File

    with File(tmp_path / "a.h5", "w") as file:
        file["image"] = np.random.default_rng(0).normal(size=(4, 4, 4))
    for size in (1.0, 2.0):
        (one,) = prepare([Case("a", (tmp_path / "a.h5",), spacing=(size,) * 3)], half_mm(), 2, tmp_path / "cache")
        assert one.image.shape == (1, *(int(8 * size),) * 3)


def test_preparing_holds_a_few_cases_at_a_time(tmp_path: Path) -> None:
    import tracemalloc

    voxels = np.random.default_rng(0).normal(size=(64, 64, 64)).astype(np.float32)
    one = voxels.nbytes
    cases = []
    for k in range(16):
        cases.append(Case(f"{k}", (write_nifti(tmp_path / f"{k}.nii.gz", voxels + k, (1.0, 1.0, 1.0)),)))
    tracemalloc.start()
    try:
        prepare(cases, Preparation(spacing=(1.0, 1.0, 0.8)), 2, tmp_path / "cache", workers=2)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * one  # two at a time: what the file holds, in its own order, resampled, in ours
