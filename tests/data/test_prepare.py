"""From files to the arrays that a network sees."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from semiseg.case import Array, Case, Geometry
from semiseg.data.cache import default_folder
from semiseg.data.folder import open_folder
from semiseg.data.formats import write_label
from semiseg.data.preparation import Preparation, prepare_image
from semiseg.data.prepare import prepare
from semiseg.data.resample import nearest
from semiseg.errors import DataError, SettingsError

PLAIN = Preparation(normalize="none")


def scan(folder: Path, name: str, labels: Array | None = None, affine: Array | None = None, shape: tuple[int, ...] = (3, 4, 5)) -> Case:
    """A case in files; the label lies on the image's grid unless `affine` says otherwise."""
    image = np.random.default_rng(len(name)).integers(0, 200, shape)
    write_label(folder / f"{name}.nii.gz", image, Geometry())
    if labels is None:
        return Case(name, (folder / f"{name}.nii.gz",))
    write_label(folder / f"{name}_label.nii.gz", labels, Geometry(np.eye(4) if affine is None else affine))
    return Case(name, (folder / f"{name}.nii.gz",), folder / f"{name}_label.nii.gz")


def ones(*shape: int) -> Array:
    return np.ones(shape, np.uint8)


def test_zscore_is_of_each_modality() -> None:
    image = np.stack([np.arange(8.0).reshape(2, 2, 2), 100 * np.arange(8.0).reshape(2, 2, 2) + 7])
    prepared = prepare_image(image, Preparation())
    assert prepared.dtype == np.float32
    assert prepared.mean(axis=(1, 2, 3)) == pytest.approx([0, 0], abs=1e-6)
    assert prepared.std(axis=(1, 2, 3)) == pytest.approx([1, 1], abs=1e-6)
    assert np.allclose(prepared[0], prepared[1], atol=1e-6)
    assert np.array_equal(prepare_image(image, PLAIN), image)


@given(st.integers(2, 300), st.integers(2, 300))
def test_resize_takes_the_same_neighbours_as_scipy(size: int, new_size: int) -> None:
    # mode="nearest": by default, rounding may put scipy's last sample outside, where it writes 0
    expected = ndimage.zoom(np.arange(size), new_size / size, order=0, mode="nearest")
    assert np.array_equal(nearest(size, new_size), expected)


def test_resize_puts_corners_on_corners() -> None:
    assert nearest(5, 3).tolist() == [0, 2, 4]
    assert nearest(2, 4).tolist() == [0, 0, 1, 1]  # 0, 1/3, 2/3, 1
    assert nearest(3, 1).tolist() == [0]


def test_resize_is_for_slices() -> None:
    volume = np.zeros((1, 3, 8, 6))
    assert prepare_image(volume, Preparation(normalize="none", resize=(4, 5), slice_axis=0)).shape == (1, 3, 4, 5)
    assert prepare_image(volume, Preparation(normalize="none", resize=(4, 5), slice_axis=2)).shape == (1, 4, 5, 6)
    assert prepare_image(volume[:, 0], Preparation(normalize="none", resize=(4, 5), slice_axis=0)).shape == (1, 4, 5)
    with pytest.raises(SettingsError, match="slice_axis"):
        prepare_image(volume, Preparation(normalize="none", resize=(4, 5)))


def test_cases_are_prepared_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = scan(tmp_path, "a", ones(3, 4, 5))
    first = prepare([case], Preparation(), 2, tmp_path / "cache")[0]
    assert (first.image.shape, str(first.image.dtype)) == ((1, 3, 4, 5), "float32")
    assert first.label is not None
    assert (first.label.shape, str(first.label.dtype)) == ((3, 4, 5), "uint8")
    monkeypatch.setattr("semiseg.data.preparation.read_images", pytest.fail)
    monkeypatch.setattr("semiseg.data.prepare.read_classes", pytest.fail)
    assert np.array_equal(prepare([case], Preparation(), 2, tmp_path / "cache")[0].image, first.image)


def test_what_changes_is_prepared_anew(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    case = scan(tmp_path, "a", ones(3, 4, 5))
    prepare([case], Preparation(), 2, cache)
    before = len(list(cache.iterdir()))
    prepare([case], PLAIN, 2, cache)  # other settings: image and label
    assert (before, len(list(cache.iterdir()))) == (2, 4)
    write_label(case.images[0], np.full((3, 4, 5), 9), Geometry())  # type: ignore[arg-type]
    assert prepare([case], PLAIN, 2, cache)[0].image.max() == 9
    with pytest.raises(DataError, match=r"values \{1\}; expected 0\.\.0"):
        prepare([case], PLAIN, 1, cache)  # a cached label is not taken for checked


def test_a_damaged_cache_is_made_anew(tmp_path: Path) -> None:
    case = scan(tmp_path, "a")
    image = np.array(prepare([case], PLAIN, 2, tmp_path / "cache")[0].image)
    file = next((tmp_path / "cache").iterdir())
    file.write_bytes(file.read_bytes()[:150])
    assert np.array_equal(prepare([case], PLAIN, 2, tmp_path / "cache")[0].image, image)


def test_more_cases_than_a_process_may_have_open_files(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    case = scan(tmp_path, "a", ones(3, 4, 5))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    cases = [Case(f"{i}", case.images * (1 + i), case.label) for i in range(70)]
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + 20, limits[1]))
    try:
        prepared = prepare(cases, PLAIN, 2, tmp_path / "cache", workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert [len(item.image) for item in prepared] == list(range(1, 71))


def test_what_is_written_to_a_prepared_scan_stays_in_memory(tmp_path: Path) -> None:
    case = scan(tmp_path, "a")
    first = prepare([case], PLAIN, 2, tmp_path / "cache")[0].image
    before = first.copy()
    first[:] = -1
    assert np.array_equal(prepare([case], PLAIN, 2, tmp_path / "cache")[0].image, before)


def test_the_cache_lies_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    monkeypatch.delenv("SEMISEG_CACHE", raising=False)
    assert default_folder() == Path("/x/semiseg")
    monkeypatch.setenv("SEMISEG_CACHE", "/y")
    assert default_folder() == Path("/y")


def test_a_cache_that_cannot_be_written_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="SEMISEG_CACHE"):
        prepare([scan(tmp_path, "a")], PLAIN, 2, tmp_path / "file" / "cache")


def test_arrays_are_not_cached(tmp_path: Path) -> None:
    case = Case("a", (np.ones((4, 4)), np.zeros((4, 4))), np.eye(4, dtype=int))
    prepared = prepare([case], PLAIN, 2, tmp_path / "cache")[0]
    assert prepared.image.shape == (2, 4, 4)
    assert not (tmp_path / "cache").exists()


def test_the_label_of_an_unlabelled_case_is_never_opened(tmp_path: Path) -> None:
    case = scan(tmp_path, "a", ones(3, 4, 5))
    Path(str(case.label)).write_bytes(b"poison")
    assert prepare([case.unlabeled()], PLAIN, 2, tmp_path / "cache")[0].label is None
    with pytest.raises(DataError, match="a_label"):
        prepare([case], PLAIN, 2, tmp_path / "cache")


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_2d_task_cuts_a_volume_into_slices(tmp_path: Path, axis: int) -> None:
    labels = np.arange(60).reshape(3, 4, 5) % 2
    case = scan(tmp_path, "a", labels)
    slices = prepare([case], Preparation(normalize="none", slice_axis=axis), 2, tmp_path / "cache")
    whole = prepare([case], PLAIN, 2, tmp_path / "cache")[0]
    assert [item.id for item in slices] == [f"a#{k}" for k in range((3, 4, 5)[axis])]
    for k, item in enumerate(slices):
        assert item.label is not None
        assert np.array_equal(item.image[0], whole.image[0].take(k, axis))
        assert np.array_equal(item.label, labels.take(k, axis))
        assert item.image.flags.c_contiguous


def shifted(millimetres: float) -> Array:
    affine = np.eye(4)
    affine[0, 3] = millimetres
    return affine


def test_all_faults_come_in_one_message(tmp_path: Path) -> None:
    cases = [
        scan(tmp_path, "good", ones(3, 4, 5)),
        scan(tmp_path, "shape", ones(3, 4, 6)),
        scan(tmp_path, "place", ones(3, 4, 5), shifted(0.5)),
        Case("missing", (tmp_path / "missing.nii.gz",)),
    ]
    with pytest.raises(DataError) as error:
        prepare(cases, PLAIN, 2, tmp_path / "cache")
    lines = str(error.value).splitlines()
    assert lines[0] == "3 of 4 cases cannot be used:"
    assert [part in line for part, line in zip(("(3, 4, 6)", "differ by up to 0.5", "no such file"), lines[1:], strict=True)] == [True] * 3


def test_voxels_are_checked_in_one_message_too(tmp_path: Path) -> None:
    nan = np.full((3, 4), np.nan)
    cases = [Case(f"nan_{i}", (nan,)) for i in range(12)]
    values = np.zeros((3, 4, 5), int)
    values[0, 0] = (0, 1, 255, 0, 0)
    with pytest.raises(DataError) as error:
        prepare([*cases, scan(tmp_path, "values", values)], PLAIN, 3, tmp_path / "cache")
    lines = str(error.value).splitlines()
    assert len(lines) == 12  # a heading, 10 cases, the rest
    assert lines[1].strip().startswith("nan_0: array of shape (3, 4): 12 of 12 voxels are NaN")
    assert lines[-1].strip() == "... and 3 more"
    with pytest.raises(DataError, match=r"^\S*values_label.nii.gz: label has values \{0, 1, 255\}; expected 0\.\.2"):
        prepare([scan(tmp_path, "values", values)], PLAIN, 3, tmp_path / "cache")


def test_float_noise_in_an_affine_is_no_fault(tmp_path: Path) -> None:
    assert prepare([scan(tmp_path, "a", ones(3, 4, 5), shifted(1e-4))], PLAIN, 2, tmp_path / "cache")


def test_a_scan_of_one_value_cannot_be_normalised() -> None:
    with pytest.raises(DataError, match=r"^flat: all voxels have the value 3"):
        prepare([Case("flat", (np.full((4, 4), 3.0),))], Preparation(), 2)


def test_progress_counts_the_cases(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    prepare([scan(tmp_path, name) for name in "abc"], PLAIN, 2, tmp_path / "cache", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_acdc_is_prepared_as_published(acdc_folder: Path, tmp_path: Path) -> None:
    dataset = open_folder(acdc_folder)
    case, volume = dataset.train[0], dataset.test[0]
    one, *slices = prepare([case, volume], dataset.preparation, len(dataset.classes) + 1, tmp_path)
    assert one.image.shape == (1, 256, 256)
    assert one.image.max() <= 1
    assert slices[0].id == f"{volume.id}#0"
    assert {item.image.shape for item in slices} == {(1, 256, 256)}


def test_la_is_prepared_as_it_is(la_folder: Path, tmp_path: Path) -> None:
    dataset = open_folder(la_folder)
    prepared = prepare(dataset.split(4).labeled[:1], dataset.preparation, 2, tmp_path)[0]
    assert prepared.image.shape == (1, 183, 140, 88)
    assert prepared.image.mean() == pytest.approx(1.46, abs=0.01)  # z-scored before it was cropped
