"""DICOM series: read as SimpleITK reads them, and refused with the reason where they make no volume."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as untyped
from dicom_kit import save, slice_dataset, write_series

from semiseg.case import Array
from semiseg.data.formats import case_name, files_of, map_suffix, mask_suffix, read_header, read_image
from semiseg.errors import DataError

sitk: Any = untyped
VOXELS = np.random.default_rng(0).integers(-1000, 1000, (5, 6, 7)).astype(np.int16)


def read_with_simpleitk(folder: Path) -> tuple[Array, Array]:
    """Voxels (columns, rows, slices) and RAS affine."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    files = list(folder.iterdir())
    image = sitk.ReadImage(str(files[0])) if len(files) == 1 else reader.Execute()
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image).T, np.diag([-1, -1, 1, 1]) @ affine


def real_series(dicom_folder: Path) -> list[Path]:
    return sorted(path for part in ("series", "hippocampus") for path in (dicom_folder / part).iterdir())


def test_every_real_series_is_read_as_simpleitk_reads_it(dicom_folder: Path) -> None:
    series = real_series(dicom_folder)
    assert len(series) == 12  # of five makers, JPEG 2000, JPEG-LS, RLE, one multi-frame
    for folder in series:
        voxels, geometry = read_image(folder)
        expected, affine = read_with_simpleitk(folder)
        assert voxels.dtype == np.float32
        assert voxels.shape == expected.shape, folder
        assert np.allclose(voxels, expected, rtol=1e-6, atol=0), folder
        assert np.abs(geometry.affine - affine).max() < 1e-4, folder  # ITK takes the step from the first two slices
        shape, header = read_header(folder)
        assert shape == voxels.shape
        assert np.array_equal(header.affine, geometry.affine)
        assert len(files_of(folder)) == len(list(folder.iterdir()))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gantrytilting_001", r"gantry tilt of 14\.0 degrees.*dcm2niix"),
        ("slicecount_001", r"has 2 slices, too few.*Export the whole series"),
        ("sliceorientation_001", r"have 2 orientations: a localizer, or several stacks.*folder of its own"),
    ],
)
def test_real_series_that_make_no_volume_are_refused_with_the_reason(dicom_folder: Path, name: str, reason: str) -> None:
    assert len(list((dicom_folder / "cannot").iterdir())) == 3
    for read in (read_header, read_image):
        with pytest.raises(DataError, match=f"cannot/{name}: .*{reason}"):
            read(dicom_folder / "cannot" / name)


def test_slices_are_ordered_by_their_place(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", VOXELS, RescaleSlope="2", RescaleIntercept="-1024", shuffle=3)
    (tmp_path / "scan" / "notes.txt").write_text("no slice")
    (tmp_path / "scan" / ".hidden.dcm").touch()
    voxels, geometry = read_image(tmp_path / "scan")
    assert np.array_equal(voxels, VOXELS.T * 2.0 - 1024)  # (columns, rows, slices)
    assert geometry.affine.tolist() == [[-0.75, 0, 0, 31.25], [0, -0.5, 0, -12.5], [0, 0, 2, 47], [0, 0, 0, 1]]
    assert geometry.codes == (1, 1)
    (some, *_) = (tmp_path / "scan").glob("*.dcm")
    assert np.array_equal(read_image(some)[0], voxels)  # one slice stands for its series
    assert set(files_of(some)) == set((tmp_path / "scan").glob("0*.dcm"))


def test_rounded_positions_are_no_uneven_spacing(tmp_path: Path) -> None:
    voxels = np.zeros((40, 4, 4), np.int16)
    for k, dataset in enumerate(write_series(tmp_path, voxels, step=0.625)):
        dataset.ImagePositionPatient[2] = f"{47 + k * 0.625:.1f}"
        save(dataset, tmp_path / f"{dataset.InstanceNumber - 1:03}.dcm")
    assert read_header(tmp_path)[1].spacing()[2] == pytest.approx((round(47 + 39 * 0.625, 1) - 47) / 39)


def change(**tags: Any) -> Any:
    def apply(dataset: pydicom.Dataset) -> None:
        for name, value in tags.items():
            if value is None:
                delattr(dataset, name)
            else:
                setattr(dataset, name, value)

    return apply


@pytest.mark.parametrize(
    ("alter", "reason"),
    [
        (change(Rows=3, PixelData=bytes(42)), "different sizes.*7 x 3, 7 x 6"),
        (change(PixelSpacing=[0.5, 0.5]), "different voxel sizes"),
        (change(ImagePositionPatient=None), "1 of 5 images do not say where they lie"),
        (change(ImageOrientationPatient=[1, 0, 0, 0, 0, 1]), "2 orientations"),
        (change(ImagePositionPatient=["-31.25", "12.5", "47"]), "several images lie at one place.*5 images at 4 places"),
        (change(ImagePositionPatient=["-31.25", "12.5", "52.7"]), "spaced unevenly.*between .* lie 3.7 mm, where 2 mm is usual"),
        (change(ImagePositionPatient=["-30", "12.5", "51"]), "shifted sideways by 1 mm"),  # off the line through all: 1.25 * 4 / 5
        (change(SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0, PixelData=bytes(252)), "is in colour"),
        (change(NumberOfFrames=2, PixelData=bytes(168)), "holds 2 frames and does not say where they lie"),
    ],
)
def test_slices_that_make_no_even_grid_are_refused(tmp_path: Path, alter: Any, reason: str) -> None:
    dataset = write_series(tmp_path, VOXELS)[2]
    alter(dataset)
    save(dataset, tmp_path / f"{dataset.InstanceNumber - 1:03}.dcm")
    with pytest.raises(DataError, match=reason) as caught:
        read_header(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_missing_slice_is_named_by_its_neighbours(tmp_path: Path) -> None:
    written = write_series(tmp_path, VOXELS)
    names = [f"{dataset.InstanceNumber - 1:03}.dcm" for dataset in written]
    (tmp_path / names[2]).unlink()
    with pytest.raises(DataError, match=f"slices are missing: between {names[1]} and {names[3]} lie 4 mm, where 2 mm is usual"):
        read_header(tmp_path)


def test_several_series_in_a_folder_are_told_apart(tmp_path: Path) -> None:
    write_series(tmp_path, VOXELS, SeriesNumber=4, SeriesDescription="T1")
    for k, pixels in enumerate(VOXELS[:3]):
        other = slice_dataset(pixels, np.array([0, 0, 3.0 * k]), SeriesInstanceUID="1.2.3", SeriesNumber=5)
        save(other, tmp_path / f"other{k}")
    with pytest.raises(DataError, match=r"holds 2 series \(4 T1, 5 files: 000\.dcm; 5, 3 files: other0\)\. Give each a folder"):
        read_header(tmp_path)
    assert read_header(tmp_path / "other1")[0] == (7, 6, 3)
    assert read_header(tmp_path / "001.dcm")[0] == (7, 6, 5)


def test_a_folder_without_images_and_damaged_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: holds no DICOM images"):
        read_header(tmp_path / "empty")
    report = slice_dataset(VOXELS[0], np.zeros(3), SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", Rows=None, Columns=None, PixelData=None)
    save(report, tmp_path / "report.dcm")
    with pytest.raises(DataError, match=r"report\.dcm: holds no image \(it is a Basic Text SR Storage\)"):
        read_header(tmp_path / "report.dcm")
    (tmp_path / "text.dcm").write_text("no DICOM")
    with pytest.raises(DataError, match=r"text\.dcm: is no DICOM file"):
        read_header(tmp_path / "text.dcm")
    with pytest.raises(DataError, match=r"gone\.dcm: no such file"):
        read_header(tmp_path / "gone.dcm")


def test_a_slice_cut_short_is_named(tmp_path: Path) -> None:
    write_series(tmp_path, VOXELS)
    whole = (tmp_path / "003.dcm").read_bytes()
    for size in (0, 140, 500, len(whole) - 20):
        (tmp_path / "003.dcm").write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"003\.dcm: .*again"):
            read_image(tmp_path)


def test_one_slice_is_a_2d_scan(tmp_path: Path) -> None:
    place = {"ImageOrientationPatient": None, "ImagePositionPatient": None}
    save(slice_dataset(VOXELS[0], np.zeros(3)), tmp_path / "ct.dcm")
    save(slice_dataset(VOXELS[0], np.zeros(3), **place, PixelSpacing=None, ImagerPixelSpacing=[0.2, 0.1]), tmp_path / "x-ray.dcm")
    save(slice_dataset(VOXELS[0], np.zeros(3), **place, PixelSpacing=None), tmp_path / "unknown.dcm")
    for name, spacing in (("ct", (0.75, 0.5)), ("x-ray", (0.1, 0.2)), ("unknown", None)):
        voxels, geometry = read_image(tmp_path / f"{name}.dcm")
        assert np.array_equal(voxels, VOXELS[0].T)  # (columns, rows)
        assert geometry.known == (spacing is not None)
        if spacing:
            assert geometry.spacing(2) == spacing


@pytest.mark.parametrize("bits", [{}, {"BitsStored": 12, "HighBit": 11, "PixelRepresentation": 0}])
def test_negatives_are_turned_as_itk_turns_them(tmp_path: Path, bits: dict[str, int]) -> None:
    dataset = slice_dataset(
        np.abs(VOXELS[0]), np.zeros(3), PhotometricInterpretation="MONOCHROME1", RescaleSlope="2", RescaleIntercept="-7", **bits
    )
    save(dataset, tmp_path / "x-ray.dcm")
    expected = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "x-ray.dcm")))[0].T
    assert np.array_equal(read_image(tmp_path / "x-ray.dcm")[0], expected)
    assert np.array_equal(expected, ((-1 if not bits else 4095) - np.abs(VOXELS[0]).T) * 2.0 - 7)


def test_names_and_suffixes_of_series(tmp_path: Path) -> None:
    write_series(tmp_path / "scan.01", VOXELS)
    assert case_name(tmp_path / "scan.01") == "scan.01"
    for source in (tmp_path / "scan.01", tmp_path / "scan.01" / "000.dcm"):
        assert mask_suffix(source) == ".dcm"
        assert map_suffix(source) == ".nii.gz"
    assert map_suffix(Path("a.mha")) == ".mha"


@pytest.mark.parametrize("library", ["pydicom", "highdicom"])
def test_without_the_extra_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    from semiseg.data.formats import write_label

    write_series(tmp_path / "scan", VOXELS)
    geometry = read_header(tmp_path / "scan")[1]
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == library:
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DataError, match=r"pip install '\.\[dicom\]'"):
        write_label(tmp_path / "mask.dcm", np.zeros((7, 6, 5)), geometry, tmp_path / "scan", ["one"])
