"""Reading and writing scans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semiseg.case import Array, Geometry
from semiseg.data.formats import case_name, read_header, read_image, read_label, read_label_header, write_label
from semiseg.errors import DataError

OBLIQUE = np.array([[0.0, -0.5, 0.1, 12.5], [0.7, 0.0, 0.0, -3.0], [0.0, 0.1, 3.0, 44.0], [0.0, 0.0, 0.0, 1.0]])


def nifti(array: Array, affine: Array | None = None) -> Any:
    return nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine)


def save(path: Path, array: Array) -> Path:
    nibabel.save(nifti(array), path)
    return path


@pytest.mark.parametrize(
    ("name", "expected"),
    [("scan.nii.gz", "scan"), ("scan.01.nii", "scan.01"), ("a.h5", "a"), ("A.NII.GZ", "A"), ("scan", "scan")],
)
def test_case_name_drops_the_format_alone(name: str, expected: str) -> None:
    assert case_name(Path("folder") / name) == expected


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("codes", [(1, 1), (0, 2), (1, 0), (2, 4)])
def test_a_written_label_comes_back_with_its_place_and_codes(tmp_path: Path, suffix: str, codes: tuple[int, int]) -> None:
    rigid = np.diag([0.5, 0.7, 3.0, 1.0])
    rigid[:3, 3] = (1, -2, 3)
    affine = rigid if codes[1] == 0 else OBLIQUE  # a qform alone cannot hold a shear
    labels = np.arange(24).reshape(2, 3, 4) % 3
    write_label(tmp_path / f"new/mask{suffix}", labels, Geometry(affine, codes))
    back, geometry = read_label(tmp_path / f"new/mask{suffix}")
    assert back.dtype == np.uint8
    assert np.array_equal(back, labels)
    assert np.allclose(geometry.affine, affine, atol=1e-5)
    assert geometry.codes == codes
    assert [path.name for path in (tmp_path / "new").iterdir()] == [f"mask{suffix}"]  # nothing half-written is left


@pytest.mark.parametrize(("value", "dtype"), [(255, np.uint8), (256, np.int16), (-1, np.int16)])
def test_a_label_takes_16_bits_only_where_it_must(tmp_path: Path, value: int, dtype: type) -> None:
    write_label(tmp_path / "mask.nii", np.full((2, 2, 2), value), Geometry())
    assert read_label(tmp_path / "mask.nii")[0].dtype == dtype


def test_a_label_is_not_written_as_what_cannot_hold_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="do not fit 16 bits"):
        write_label(tmp_path / "mask.nii", np.full((2, 2, 2), 40_000), Geometry())
    with pytest.raises(DataError, match=r"mask\.png.*NIfTI"):
        write_label(tmp_path / "mask.png", np.zeros((2, 2, 2)), Geometry())


def test_a_2d_label_stays_2d(tmp_path: Path) -> None:
    write_label(tmp_path / "mask.nii.gz", np.eye(3, 5, dtype=np.uint8), Geometry.from_spacing((0.5, 0.5)))
    labels, geometry = read_label(tmp_path / "mask.nii.gz")
    assert labels.shape == (3, 5)
    assert geometry.spacing(2) == pytest.approx((0.5, 0.5))


def test_an_image_is_float32_in_file_order_and_scaled(tmp_path: Path) -> None:
    image = nifti(np.arange(6, dtype=np.int16).reshape(1, 2, 3), np.diag([2.0, 3, 4, 1]))
    image.header.set_slope_inter(0.5, 10)
    nibabel.save(image, tmp_path / "scan.nii.gz")
    voxels, geometry = read_image(tmp_path / "scan.nii.gz")
    assert voxels.dtype == np.float32
    assert voxels[0, 1, 2] == pytest.approx(12.5, abs=1e-4)  # 10 + 0.5 * 5
    assert geometry.spacing() == (2, 3, 4)
    assert read_header(tmp_path / "scan.nii.gz")[0] == (1, 2, 3)


def test_a_trailing_axis_of_one_is_dropped_and_a_fourth_axis_refused(tmp_path: Path) -> None:
    assert read_image(save(tmp_path / "a.nii", np.ones((2, 3, 4, 1), np.float32)))[0].shape == (2, 3, 4)
    with pytest.raises(DataError, match=r"b\.nii.*4 axes"):
        read_image(save(tmp_path / "b.nii", np.ones((2, 3, 4, 2), np.float32)))


def test_h5_holds_image_and_label_without_a_place(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "case.h5", "w") as file:
        file["image"], file["label"] = np.ones((3, 4)), np.eye(3, 4, dtype=np.uint8)
    image, geometry = read_image(tmp_path / "case.h5")
    assert (image.shape, str(image.dtype), geometry.known) == ((3, 4), "float32", False)
    assert read_label(tmp_path / "case.h5")[0].sum() == 3
    assert read_label_header(tmp_path / "case.h5")[0] == (3, 4)


def test_h5_without_the_key_says_which_keys_there_are(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "case.h5", "w") as file:
        file["image"] = np.ones((3, 4))
    with pytest.raises(DataError, match=r"case\.h5.*'label'.*keys: image"):
        read_label(tmp_path / "case.h5")


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "scan.h5"])
@pytest.mark.parametrize("share", [0.0, 0.002, 0.5, 0.9])
def test_a_file_cut_short_is_named(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    voxels = np.random.default_rng(0).normal(size=(20, 20, 20)).astype(np.float32)
    if name.endswith("h5"):
        with h5py.File(path, "w") as file:
            file["image"] = voxels
    else:
        save(path, voxels)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DataError, match=f"{name}: .*again"):
        read_image(path)


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "scan.h5", "scan.png"])
def test_a_missing_or_foreign_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=name):
        read_image(tmp_path / name)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_voxels_must_be_finite_numbers(value: float) -> None:
    array = np.zeros((2, 3))
    array[1, 1] = value
    with pytest.raises(DataError, match="1 of 6 voxels"):
        read_image(array)


def test_no_voxels_complex_voxels_and_fractional_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no voxels"):
        read_image(np.zeros((3, 0, 2)))
    with pytest.raises(DataError, match="complex64"):
        read_image(save(tmp_path / "c.nii", np.ones((2, 2, 2), np.complex64)))
    with pytest.raises(DataError, match="whole numbers"):
        read_label(np.array([[0.0, 1.5]]))
    with pytest.raises(DataError, match="whole numbers"):
        read_label(np.array([[0.0, np.nan]]))


def test_a_singular_affine_is_refused(tmp_path: Path) -> None:
    image = nifti(np.ones((2, 2, 2), np.float32))
    image.set_sform(np.diag([1.0, 1, 0, 1]), code=2)
    nibabel.save(image, tmp_path / "flat.nii")
    with pytest.raises(DataError, match=r"flat\.nii.*affine"):
        read_image(tmp_path / "flat.nii")


@given(st.lists(st.integers(0, 255), min_size=4, max_size=4), st.sampled_from([np.float32, np.float64, np.uint8, np.int64]))
def test_whole_numbers_of_any_type_are_labels(values: list[int], dtype: type) -> None:
    labels, _ = read_label(np.array(values, dtype).reshape(2, 2))
    assert labels.dtype.kind in "iu"
    assert labels.ravel().tolist() == values


def test_a_real_scan_is_read(la_folder: Path, hippocampus_folder: Path) -> None:
    name = (la_folder / "train.list").read_text(encoding="utf-8").split()[0]
    path = la_folder / "2018LA_Seg_Training Set" / name / "mri_norm2.h5"
    assert read_image(path)[0].shape == read_label(path)[0].shape == (183, 140, 88)
    image, geometry = read_image(hippocampus_folder / "images" / "hippocampus_001.nii.gz")
    assert image.shape == (35, 51, 35)
    assert geometry.spacing() == (1, 1, 1)
