"""NRRD, MetaImage and pictures: what is read, what is written, what is refused and why."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from PIL import Image

from semiseg.case import Geometry
from semiseg.data.formats import mask_suffix, read_header, read_image, read_label, write_label
from semiseg.errors import DataError

LABELS = np.arange(24).reshape(4, 6) % 3


@pytest.mark.parametrize(
    ("scan", "mask"),
    [
        ("a.nii", ".nii"),
        ("a.NII.GZ", ".nii.gz"),
        ("a.nrrd", ".nrrd"),
        ("a.mhd", ".mha"),
        ("a.png", ".png"),
        ("a.JPEG", ".png"),
        ("a.tiff", ".tiff"),
        ("a.h5", ".nii.gz"),
    ],
)
def test_a_mask_has_the_format_of_its_scan_where_that_holds_masks(scan: str, mask: str) -> None:
    assert mask_suffix(Path(scan)) == mask


@pytest.mark.parametrize("suffix", [".png", ".tif", ".mha", ".nrrd"])
def test_a_2d_label_comes_back(tmp_path: Path, suffix: str) -> None:
    write_label(tmp_path / f"mask{suffix}", LABELS, Geometry.from_spacing((0.5, 0.25)))
    labels, geometry = read_label(tmp_path / f"mask{suffix}")
    assert np.array_equal(labels, LABELS)
    assert read_header(tmp_path / f"mask{suffix}")[0] == (4, 6)
    assert geometry.known == (suffix in (".mha", ".nrrd"))
    if geometry.known:
        assert geometry.spacing(2) == (0.5, 0.25)
    assert [path.name for path in tmp_path.iterdir()] == [f"mask{suffix}"]


def test_a_place_that_is_not_known_stays_unknown_in_nifti(tmp_path: Path) -> None:
    write_label(tmp_path / "mask.nii.gz", LABELS, Geometry(known=False))
    assert not read_label(tmp_path / "mask.nii.gz")[1].known
    write_label(tmp_path / "mask.nii.gz", LABELS, Geometry())
    assert read_label(tmp_path / "mask.nii.gz")[1].known


def test_a_detached_header_is_read(tmp_path: Path) -> None:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.arange(24, dtype=np.int16).reshape(2, 3, 4)), str(tmp_path / "a.mhd"))
    assert read_image(tmp_path / "a.mhd")[0][3, 2, 1] == 23
    with pytest.raises(DataError, match=r"mask\.mhd.*not written"):
        write_label(tmp_path / "mask.mhd", np.zeros((2, 2, 2)), Geometry())


@pytest.mark.filterwarnings("ignore:(Corrupt|Possibly corrupt|Truncated)")  # Pillow says so before it fails
@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".png", ".tif"])
def test_a_file_cut_short_or_missing_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"scan{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (40, 40)).astype(np.uint8)
    with pytest.raises(DataError, match=f"scan{suffix}: no such file"):
        read_image(path)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(noise), str(path))
    whole = path.read_bytes()
    for share in (0.0, 0.02, 0.5):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(DataError, match=f"scan{suffix}: .*again"):
            read_image(path)


def test_grey_in_colour_channels_is_grey_and_colour_is_refused(tmp_path: Path) -> None:
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8)
    Image.fromarray(np.stack([grey] * 3, -1)).save(tmp_path / "grey.png")
    Image.fromarray(np.stack([grey, grey, 255 - grey], -1)).save(tmp_path / "colour.png")
    assert np.array_equal(read_image(tmp_path / "grey.png")[0], grey)
    with pytest.raises(DataError, match=r"colour\.png: is in colour"):
        read_image(tmp_path / "colour.png")


def test_16_bits_and_palettes_keep_their_numbers(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 40_000]], np.uint16)).save(tmp_path / "deep.png")
    assert read_image(tmp_path / "deep.png")[0].tolist() == [[0, 40_000]]
    palette = Image.fromarray(np.array([[0, 1], [2, 0]], np.uint8), mode="L").convert("P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "label.png")
    assert read_label(tmp_path / "label.png")[0].tolist() == [[0, 1], [2, 0]]


def test_a_label_in_jpeg_and_a_stack_of_pages_are_refused(tmp_path: Path) -> None:
    page = Image.fromarray(np.zeros((8, 8), np.uint8))
    page.save(tmp_path / "label.jpg")
    with pytest.raises(DataError, match=r"label\.jpg: JPEG changes values"):
        read_label(tmp_path / "label.jpg")
    page.save(tmp_path / "stack.tif", save_all=True, append_images=[page])
    with pytest.raises(DataError, match="holds 2 pages"):
        read_image(tmp_path / "stack.tif")
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros((4, 4, 3), np.uint8), isVector=True), str(tmp_path / "rgb.mha"))
    with pytest.raises(DataError, match="3 numbers a voxel"):
        read_image(tmp_path / "rgb.mha")


def test_without_simpleitk_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "SimpleITK":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DataError, match=r"scan\.nrrd.*pip install '\.\[itk\]'"):
        read_image(tmp_path / "scan.nrrd")
