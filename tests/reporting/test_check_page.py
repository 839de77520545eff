"""The page of `semiseg check` shows each scan upright with its label, in few bytes, and leaves the data folder alone."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from semiseg.case import Array, Geometry
from semiseg.cli import app
from semiseg.data.folder import open_folder
from semiseg.data.formats import write_label
from semiseg.data.inspection import inspect
from semiseg.data.look import Finding
from semiseg.data.phantom import write_phantom
from semiseg.reporting import check_page as module
from semiseg.reporting.check_page import Album, check_page, ranges, summary
from semiseg.reporting.figures import Plane
from semiseg.reporting.thumbnails import SIDES, outline, planes_of, scaled, size_of, thumbnail, upright

CLI = CliRunner()


def pixels(picture: bytes) -> Array:
    return np.asarray(Image.open(io.BytesIO(picture))).astype(float)


def half(axis: int) -> Array:
    """Bright in the farther half along an axis."""
    volume = np.zeros((16, 16, 16), np.float32)
    np.moveaxis(volume, axis, 0)[8:] = 1
    return volume


def test_planes_are_axial_coronal_and_sagittal_with_front_and_head_up() -> None:
    side = SIDES[3]
    middles = [slice(k * (side + 4), k * (side + 4) + side) for k in range(3)]
    to_front = pixels(thumbnail(half(1), None, Geometry()))[..., 0]
    assert to_front.shape == (side, 3 * side + 8) == size_of(3)[::-1]
    axial = to_front[:, middles[0]]
    assert axial[: side // 2 - 4].mean() > 250  # the front is above
    assert axial[side // 2 + 4 :].mean() < 5
    upward = pixels(thumbnail(half(2), None, Geometry()))[..., 0]
    for plane in middles[1:]:
        assert upward[: side // 2 - 4, plane].mean() > 250  # the head is above
        assert upward[side // 2 + 4 :, plane].mean() < 5


def test_a_scan_is_shown_alike_however_its_axes_are_stored() -> None:
    volume = np.random.default_rng(0).normal(size=(10, 12, 14)).astype(np.float32)
    label = (volume > 1).astype(np.uint8)
    plain = Geometry(np.diag([1.0, 2.0, 3.0, 1.0]))
    stored = Geometry(np.array([[0, 0, -1.0, 0], [2.0, 0, 0, 0], [0, 3.0, 0, 0], [0, 0, 0, 1]]))  # axes: front, up, to the left
    turned = [np.transpose(array, (1, 2, 0))[:, :, ::-1] for array in (volume, label)]
    assert thumbnail(volume, label, plain) == thumbnail(turned[0], turned[1], stored)
    assert upright(turned[0], None, stored)[2] == pytest.approx((1, 2, 3))
    assert thumbnail(volume, label, plain) != thumbnail(volume, label, Geometry())  # millimetres count


def test_a_picture_is_shown_as_it_is() -> None:
    rows = np.zeros((20, 40), np.float32)
    rows[:5, :10] = 1  # top left
    shown = pixels(thumbnail(rows, None, Geometry(known=False)))[..., 0]
    side = SIDES[2]
    assert shown.shape == (side, side) == size_of(2)
    quarter = side // 4
    assert shown[quarter + 4 : quarter + 18, 4:40].mean() > 250
    assert shown[quarter + 26 :, 50:].mean() < 5


def test_slices_are_the_fullest_of_the_label_and_else_the_middle_ones() -> None:
    label = np.zeros((10, 20, 30), np.uint8)
    label[2:5, 12:14, 25] = 1
    assert planes_of(label, label.shape)[0] == Plane(2, 25)
    assert planes_of(None, (10, 20, 30)) == [Plane(2, 15), Plane(1, 10), Plane(0, 5)]
    assert planes_of(None, (10, 20)) == [Plane(None)]


def test_the_outline_is_the_inner_border_in_the_color_of_the_class() -> None:
    labels = np.zeros((7, 7), np.uint8)
    labels[1:6, 1:6] = 2
    tile = np.zeros((7, 7, 3), np.uint8)
    outline(tile, labels)
    drawn = tile.any(-1)
    assert drawn.sum() == 16  # 5 x 5 less the 3 x 3 inside
    assert set(map(tuple, tile[drawn].tolist())) == {(0x56, 0xB4, 0xE9)}
    assert scaled(np.array([[1, 2], [3, 4]]), (4, 2), smooth=False).tolist() == [[1, 2], [1, 2], [3, 4], [3, 4]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_phantom(tmp_path / "scans", cases=6, labeled=2, test=2, shape=(24, 20, 16), classes=4)
    return tmp_path / "scans"


def test_the_page_holds_every_scan_its_findings_and_no_path_of_the_machine(folder: Path, tmp_path: Path) -> None:
    write_label(folder / "labels" / "phantom_000.nii.gz", np.full((24, 20, 16), 9), Geometry())
    (folder / "images" / "phantom_003.nii.gz").write_bytes(b"")
    before = sorted(folder.rglob("*"))
    done = CLI.invoke(app, ["check", str(folder), "--html", str(tmp_path / "pages" / "check.html")])
    assert done.exit_code == 1
    page = (tmp_path / "pages" / "check.html").read_text(encoding="utf-8")
    assert "2 errors, in 2 of 8 scans." in page
    assert page.count("<li>") == page.count("data:image/jpeg;base64,") == 7
    assert "1 of 8 could not be read." in page
    assert "labels/phantom_000.nii.gz: label has values {9}" in page
    assert str(tmp_path) not in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert re.search(r"phantom_000 <span[^>]*>train; 24 × 20 × 16, 1 × 1 × 1 mm, labelled", page)
    assert all(f"</span>{name} " in page for name in ("chamber", "wall", "neighbor"))
    assert sorted(folder.rglob("*")) == before


def test_the_page_is_not_written_into_the_data_folder(folder: Path) -> None:
    done = CLI.invoke(app, ["check", str(folder), "--html", str(folder / "check.html")])
    assert done.exit_code == 2
    assert "not written to" in re.sub(r"[\s│]+", " ", done.stderr)


def test_a_large_set_shows_scans_with_findings_first(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PICTURES", 3)
    monkeypatch.setattr(module, "MOST_ROWS", 1)
    dataset, album = open_folder(folder), Album(tmp_path)
    assert inspect(dataset, see=album.add) == []
    findings = [Finding("warning", "spacing", f"phantom_00{k}", "odd") for k in (5, 7)]
    scans = album.scans(dataset, findings)
    assert [(scan.id, len(scan.findings)) for scan in scans] == [("phantom_000", 0), ("phantom_005", 1), ("phantom_007", 1)]
    page = check_page(dataset, findings, album, folder)
    assert "3 of 8 are shown: those with findings first." in page
    assert "The first 1 of 2" in page


def test_a_picture_of_three_planes_takes_some_kilobytes() -> None:
    noise = np.random.default_rng(0).normal(size=(60, 60, 60)).astype(np.float32)  # nothing compresses worse
    assert len(thumbnail(noise, None, Geometry())) < 25_000


def test_counts_and_ranges_are_told_in_words() -> None:
    assert summary([], 5) == "Nothing wrong in 5 scans."
    assert summary([Finding("error", "file", "a", ""), Finding("warning", "size", "a", "")], 5) == "1 error and 1 warning, in 1 of 5 scans."
    assert ranges([(31, 40, 5), (43, 40, 6)]) == "31–43 × 40 × 5–6"
