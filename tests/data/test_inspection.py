"""`inspect` finds each planted fault, names its file, and finds nothing where there is nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from typer.testing import CliRunner

from semiseg.case import Array, Case, Geometry
from semiseg.cli import app
from semiseg.data.dataset import Dataset
from semiseg.data.folder import open_folder
from semiseg.data.formats import write_label
from semiseg.data.inspection import inspect
from semiseg.errors import DataError

SHAPE = (6, 7, 8)


def save(path: Path, voxels: Array, spacing: float = 1.0, shift: float = 0.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([spacing, spacing, 3 * spacing, 1])
    affine[0, 3] = shift
    nibabel.save(nibabel.Nifti1Image(voxels, affine), path)


def noise(seed: int) -> Array:
    return np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)


def mask() -> Array:
    values = np.zeros(SHAPE, np.uint8)
    values[2:4, 2:5, 3:6] = 1
    return values


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """Scans a to f, the first four labelled, e for testing."""
    for k, name in enumerate("abcdef"):
        save(tmp_path / "images" / f"{name}.nii.gz", noise(k))
        if name in "abcd":
            save(tmp_path / "labels" / f"{name}.nii.gz", mask())
    (tmp_path / "test.list").write_text("e\n")
    return tmp_path


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def test_nothing_is_found_in_a_clean_set(clean: Path) -> None:
    calls: list[tuple[int, int]] = []
    assert inspect(open_folder(clean), progress=lambda *done: calls.append(done)) == []
    assert calls == [(k, 6) for k in range(1, 7)]


def nan() -> Array:
    voxels = noise(9)
    voxels[0, 0, 0] = np.nan
    return voxels


FAULTS: list[tuple[str, Callable[[Path], object], tuple[str, str, str], str]] = [
    ("image cut short", lambda f: cut_short(f / "images/b.nii.gz"), ("error", "file", "b"), "b.nii.gz: cannot be read to its end"),
    ("image is no image", lambda f: (f / "images/b.nii.gz").write_text("x"), ("error", "file", "b"), "not a readable NIfTI"),
    ("label cut short", lambda f: cut_short(f / "labels/b.nii.gz"), ("error", "file", "b"), "labels/b.nii.gz"),
    ("NaN", lambda f: save(f / "images/b.nii.gz", nan()), ("error", "file", "b"), "1 of 336 voxels are NaN"),
    ("beyond float32", lambda f: save(f / "images/b.nii.gz", noise(9).astype(float) * 1e300), ("error", "file", "b"), "NaN or infinite"),
    ("4D", lambda f: save(f / "images/b.nii.gz", np.stack([noise(1)] * 2, -1)), ("error", "file", "b"), "4 axes"),
    ("complex", lambda f: save(f / "images/b.nii.gz", noise(9).astype(np.complex64)), ("error", "file", "b"), "complex64"),
    (
        "one value",
        lambda f: save(f / "images/b.nii.gz", np.ones(SHAPE, np.float32)),
        ("error", "constant", "b"),
        "all voxels have one value",
    ),
    ("label shape", lambda f: save(f / "labels/b.nii.gz", mask()[1:]), ("error", "grid", "b"), "shape (5, 7, 8) is not that of"),
    ("label elsewhere", lambda f: save(f / "labels/b.nii.gz", mask(), shift=2), ("error", "grid", "b"), "differ by up to 2"),
    ("label flipped", lambda f: save(f / "labels/b.nii.gz", mask(), spacing=-1), ("error", "grid", "b"), "lies elsewhere"),
    ("label of 255", lambda f: save(f / "labels/b.nii.gz", 255 * mask()), ("error", "label values", "b"), "--label-map 255:2"),
    (
        "label of -1",
        lambda f: save(f / "labels/b.nii.gz", -1 * mask().astype(np.int16)),
        ("error", "label values", "b"),
        "--label-map -1:0",
    ),
    ("label of 0.5", lambda f: save(f / "labels/b.nii.gz", mask() * np.float32(0.5)), ("error", "file", "b"), "not whole numbers"),
    ("empty label", lambda f: save(f / "labels/b.nii.gz", 0 * mask()), ("warning", "empty label", "b"), "background alone"),
    (
        "voxels of 3 mm",
        lambda f: save(f / "images/f.nii.gz", noise(9), spacing=3),
        ("warning", "spacing", "f"),
        "3 x 3 x 9 mm, where 1 x 1 x 3",
    ),
    ("copy", lambda f: save(f / "images/f.nii.gz", noise(1)), ("warning", "duplicate", "f"), "same voxels as b"),
    ("copy in test", lambda f: save(f / "images/e.nii.gz", noise(1)), ("error", "duplicate", "e"), "which is for train, and this for test"),
]


@pytest.mark.parametrize(("plant", "expected", "message"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_a_planted_fault_is_found_and_no_other(
    clean: Path, plant: Callable[[Path], object], expected: tuple[str, str, str], message: str
) -> None:
    plant(clean)
    (found,) = inspect(open_folder(clean))
    assert (found.severity, found.kind, found.case) == expected
    assert message in found.message


STRUCTURE: list[tuple[str, Callable[[Path], object], str]] = [
    ("orphan", lambda f: save(f / "labels/z.nii.gz", mask()), r"z\.nii\.gz: label without an image"),
    ("two of one name", lambda f: save(f / "images/a.nii", noise(0)), "same case id 'a'"),
    ("patient in two splits", lambda f: (f / "dataset.yaml").write_text("groups: {a: p, e: p}"), "'p' has cases in both train and test"),
    ("unknown name in a list", lambda f: (f / "test.list").write_text("y\n"), "names 'y'"),
    ("in two lists", lambda f: (f / "train.list").write_text("a\ne\n"), "e appears more than once"),
]


@pytest.mark.parametrize(("plant", "message"), [fault[1:] for fault in STRUCTURE], ids=[fault[0] for fault in STRUCTURE])
def test_faults_of_the_layout_are_refused_when_it_is_opened(clean: Path, plant: Callable[[Path], object], message: str) -> None:
    plant(clean)
    with pytest.raises(DataError, match=message):
        open_folder(clean)


def test_named_classes_may_be_rare(clean: Path) -> None:
    (clean / "dataset.yaml").write_text("classes: [common, rare]\n")
    assert inspect(open_folder(clean)) == []
    save(clean / "labels" / "c.nii.gz", 3 * mask())
    (found,) = inspect(open_folder(clean))
    assert (found.case, found.kind) == ("c", "label values")
    assert "values {0, 3}" in found.message


def test_modalities_must_lie_on_one_grid(tmp_path: Path) -> None:
    save(tmp_path / "a.nii", noise(0))
    save(tmp_path / "b.nii", noise(1), shift=4)
    (found,) = inspect(Dataset("toy", ("one",), (Case("a", (tmp_path / "a.nii", tmp_path / "b.nii")),)))
    assert (found.kind, "b.nii: lies elsewhere" in found.message) == ("grid", True)


def test_pictures_have_no_spacing_to_compare(tmp_path: Path) -> None:
    for k, side in enumerate((8, 32)):
        write_label(tmp_path / "images" / f"{k}.png", np.arange(side * side).reshape(side, side) % 200, Geometry())
    assert inspect(open_folder(tmp_path)) == []


def test_the_command_prints_text_or_json_and_an_exit_code(clean: Path) -> None:
    def check(*options: str) -> Any:
        return CliRunner().invoke(app, ["check", str(clean), *options])

    assert (check().exit_code, check().stdout.splitlines()[-1]) == (0, "nothing wrong")
    save(clean / "labels" / "b.nii.gz", 0 * mask())
    assert check().exit_code == 0  # a warning
    save(clean / "labels" / "c.nii.gz", 255 * mask())
    done = check("--json")
    assert done.exit_code == 1
    facts = json.loads(done.stdout)
    assert (facts["errors"], facts["warnings"], facts["cases"]) == (1, 1, {"train": 5, "validation": 0, "test": 1})
    assert [finding["case"] for finding in facts["findings"]] == ["b", "c"]
    text = check().stdout
    assert "error: label values: " in text
    assert text.splitlines()[-1] == "1 errors, 1 warnings"
    assert check("--label-map", "255:1").exit_code == 0
