"""`inspect` finds each planted fault, names its file, and finds nothing where there is nothing."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from semiseg.case import Array, Case, Geometry
from semiseg.cli import app
from semiseg.data.dataset import Dataset
from semiseg.data.faults import LayoutError
from semiseg.data.folder import open_folder
from semiseg.data.formats import write_label
from semiseg.data.inspection import inspect
from semiseg.data.look import Finding, digest, distinct

SHAPE = (12, 14, 16)


def save(path: Path, voxels: Array, spacing: float = 1.0, shift: float = 0.0, flip: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([-spacing if flip else spacing, spacing, 3 * spacing, 1])
    affine[0, 3] = shift
    nibabel.save(nibabel.Nifti1Image(voxels, affine), path)


def noise(seed: int) -> Array:
    return np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)


def mask(seed: int = 0) -> Array:
    values = np.zeros(SHAPE, np.uint8)
    values[2:6, 2:5, 3 : 6 + seed] = 1
    return values


CASES = "abcdefghij"
LABELED = CASES[:5]


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """Ten scans, the first five labelled, j for testing, b and c of one patient."""
    for k, name in enumerate(CASES):
        save(tmp_path / "images" / f"{name}.nii.gz", noise(k))
        if name in LABELED:
            save(tmp_path / "labels" / f"{name}.nii.gz", mask(k))
    (tmp_path / "test.list").write_text("j\n")
    (tmp_path / "dataset.yaml").write_text("classes: [organ]\ngroups: {b: patient, c: patient}\n")
    return tmp_path


def found_in(folder: Path) -> list[Finding]:
    """As the command does it."""
    faults: list[LayoutError] = []
    dataset = open_folder(folder, refuse=faults.append)
    return inspect(dataset, faults=faults)


def test_nothing_is_found_in_a_clean_set(clean: Path) -> None:
    calls: list[tuple[int, int]] = []
    assert inspect(open_folder(clean), progress=lambda *done: calls.append(done)) == []
    assert calls == [(k, 10) for k in range(1, 11)]


def test_nothing_is_found_in_260_real_scans(hippocampus_folder: Path) -> None:
    dataset = open_folder(hippocampus_folder)
    assert sum(map(len, dataset.parts.values())) == 260
    assert inspect(dataset) == []


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def with_value(value: float) -> Array:
    voxels = noise(99)
    voxels[0, 0, 0] = value
    return voxels


def scan(folder: Path) -> Path:
    return folder / "images" / "b.nii.gz"


def label(folder: Path) -> Path:
    return folder / "labels" / "b.nii.gz"


def colored(folder: Path) -> None:
    """A photograph among the scans."""
    scan(folder).unlink()
    pixels = np.random.default_rng(0).integers(0, 255, (12, 14, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "images" / "b.png")
    label(folder).unlink()


def empty_volume(path: Path) -> None:
    save(path, noise(0)[:0])


def no_spacing(path: Path) -> None:
    """A header whose voxels have no size."""
    image = nibabel.Nifti1Image(noise(0), None)
    image.header["pixdim"][1:4] = 0
    image.header["srow_x"] = image.header["srow_y"] = image.header["srow_z"] = 0
    image.header["sform_code"], image.header["qform_code"] = 1, 0
    path.write_bytes(gzip.compress(image.to_bytes()))


WAYS_OUT = (
    r"\b(add|Convert|copy|Copy|export|Export|Keep|leave|Leave|Map|needs|remove|Reorient|Replace|Resample|Save|take|expected one class)\b"
)
Fault = tuple[str, Callable[[Path], object], tuple[str, str, str], str]
FAULTS: list[Fault] = [
    ("image is no image", lambda f: scan(f).write_text("x"), ("error", "file", "b"), "not a readable NIfTI file"),
    ("image cut short", lambda f: cut_short(scan(f)), ("error", "file", "b"), "b.nii.gz: cannot be read to its end"),
    ("label cut short", lambda f: cut_short(label(f)), ("error", "file", "b"), "labels/b.nii.gz: cannot be read to its end"),
    ("NaN", lambda f: save(scan(f), with_value(np.nan)), ("error", "file", "b"), "1 of 2688 voxels are NaN or infinite"),
    ("infinite", lambda f: save(scan(f), with_value(-np.inf)), ("error", "file", "b"), "1 of 2688 voxels are NaN or infinite"),
    ("beyond float32", lambda f: save(scan(f), noise(9).astype(float) * 1e300), ("error", "file", "b"), "beyond the numbers of 32 bits"),
    ("no voxels", lambda f: empty_volume(scan(f)), ("error", "file", "b"), "holds no voxels"),
    ("no spacing", lambda f: no_spacing(scan(f)), ("error", "file", "b"), "places voxels nowhere"),
    ("time series", lambda f: save(scan(f), np.stack([noise(1)] * 2, -1)), ("error", "file", "b"), "4 axes (12, 14, 16, 2)"),
    ("complex", lambda f: save(scan(f), noise(9).astype(np.complex64)), ("error", "file", "b"), "complex64"),
    ("colour picture", colored, ("error", "file", "b"), "b.png: is in colour"),
    ("one value", lambda f: save(scan(f), np.ones(SHAPE, np.float32)), ("error", "constant", "b"), "all voxels have the value 1"),
    ("label shape", lambda f: save(label(f), mask()[1:]), ("error", "grid", "b"), "shape (11, 14, 16) is not that of"),
    ("label in 2D", lambda f: save(label(f), mask()[..., 3]), ("error", "grid", "b"), "has 2 axes (12, 14)"),
    ("label elsewhere", lambda f: save(label(f), mask(9), shift=2), ("error", "grid", "b"), "differ by up to 2"),
    ("label flipped", lambda f: save(label(f), mask(9), flip=True), ("error", "grid", "b"), "its axes run LAS, the image's RAS"),
    ("label of 255", lambda f: save(label(f), 255 * mask()), ("error", "label values", "b"), "--label-map 255:1"),
    ("label of -1", lambda f: save(label(f), -1 * mask().astype(np.int16)), ("error", "label values", "b"), "--label-map -1:0"),
    ("label of 0.5", lambda f: save(label(f), mask() * np.float32(0.5)), ("error", "file", "b"), "not whole numbers"),
    (
        "scan as label",
        lambda f: save(label(f), (1000 * noise(1)).astype(np.int16)),
        ("error", "label values", "b"),
        "as a scan does. Was the scan saved as its label?",
    ),
    ("empty label", lambda f: save(label(f), 0 * mask()), ("warning", "empty label", "b"), "background alone"),
    ("label of another", lambda f: save(label(f), mask(0)), ("warning", "duplicate", "b"), "is the same as"),
    ("voxels of 3 mm", lambda f: save(f / "images/f.nii.gz", noise(99), 3), ("warning", "spacing", "f"), "3 x 3 x 9 mm, where 1 x 1 x 3"),
    ("scout", lambda f: save(f / "images/f.nii.gz", noise(9)[..., :2]), ("warning", "size", "f"), "shows 12 x 14 x 6 mm"),
    ("scan mirrored", lambda f: save(f / "images/f.nii.gz", noise(5), flip=True), ("warning", "orientation", "f"), "its axes run LAS"),
    ("copy", lambda f: save(f / "images/f.nii.gz", noise(1)), ("warning", "duplicate", "f"), "same voxels as"),
    ("copy in test", lambda f: save(f / "images/j.nii.gz", noise(1)), ("error", "duplicate", "j"), "which is for train, and this for test"),
    ("label without image", lambda f: save(f / "labels/z.nii.gz", mask()), ("error", "orphan label", ""), "label without an image"),
    ("two files of one name", lambda f: save(f / "images/a.nii", noise(0)), ("error", "two files", ""), "same case id 'a'"),
    ("unknown name in a list", lambda f: (f / "test.list").write_text("j\ny\n"), ("error", "unknown name", ""), "names 'y'"),
    ("in two lists", lambda f: (f / "train.list").write_text("\n".join(CASES)), ("error", "case twice", "j"), "more than once"),
    (
        "a file that is no scan",
        lambda f: (f / "images/k.mgz").write_bytes(b""),
        ("warning", "unread files", ""),
        "1 file (k.mgz) cannot be read",
    ),
    (
        "more of them than scans",
        lambda f: [(f / f"labels/{name}.mgz").write_bytes(b"") for name in "fghijk"],
        ("error", "unread files", ""),
        "6 files (f.mgz, g.mgz, h.mgz and 3 more) cannot be read as scans, and 5 can",
    ),
    ("slice_axis of no slices", lambda f: (f / "dataset.yaml").write_text("slice_axis: 2"), ("error", "description", ""), "Take it out"),
    (
        "patient in two parts",
        lambda f: (f / "test.list").write_text("j\nc\n"),
        ("error", "patient in two parts", "c"),
        "'patient' has cases in both train and test",
    ),
]


@pytest.mark.parametrize(("plant", "expected", "message"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_a_planted_fault_is_found_and_no_other(
    clean: Path, plant: Callable[[Path], object], expected: tuple[str, str, str], message: str
) -> None:
    plant(clean)
    (found,) = found_in(clean)
    assert (found.severity, found.kind, found.case) == expected
    assert message in found.message
    assert re.search(WAYS_OUT, found.message)


def test_missing_modalities_and_copied_ones_are_found_and_the_rest_is_checked(tmp_path: Path) -> None:
    for k, name in enumerate("abcd"):
        for modality in range(2):
            save(tmp_path / "images" / f"{name}_000{modality}.nii.gz", noise(2 * k + modality))
        save(tmp_path / "labels" / f"{name}.nii.gz", mask(k))
    assert found_in(tmp_path) == []
    (tmp_path / "images" / "b_0001.nii.gz").unlink()
    save(tmp_path / "images" / "c_0001.nii.gz", noise(4))
    save(tmp_path / "images" / "d_0001.nii.gz", with_value(np.nan))
    found = found_in(tmp_path)
    assert [(finding.kind, finding.case) for finding in found] == [("missing modality", "b"), ("duplicate", "c"), ("file", "d")]
    assert "case 'b' has no modality 0001" in found[0].message
    assert "another modality of c" in found[1].message


def test_many_faults_are_all_found_at_once(clean: Path) -> None:
    save(clean / "images" / "a.nii.gz", with_value(np.nan))  # the first scan: what its header says is not needed
    cut_short(clean / "images" / "b.nii.gz")
    save(clean / "labels" / "c.nii.gz", 255 * mask())
    save(clean / "labels" / "z.nii.gz", mask())
    save(clean / "labels" / "y.nii.gz", mask())
    (clean / "images" / "d.nii.gz").write_bytes(b"")
    found = [(finding.kind, finding.case) for finding in found_in(clean)]
    assert found == [*[("orphan label", "")] * 2, ("file", "a"), ("file", "b"), ("label values", "c"), ("file", "d")]


def test_without_a_label_there_is_nothing_to_train(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.nii.gz", noise(0))
    (found,) = found_in(tmp_path)
    assert (found.severity, found.kind, found.case) == ("warning", "no label", "")


def test_distinct_values_are_found_in_any_type_and_order() -> None:
    for values in ([0, 3], [-5, 0, 7], [0, 70_000], [-(2**40), 5]):
        map_ = np.array([[values[0]] * 3, [values[-1]] * 3, [values[1]] * 3], dtype=np.int64)
        assert distinct(map_) == distinct(np.asfortranarray(map_)) == values
    assert distinct(np.array([[255, 0], [7, 7]], np.uint8)) == [0, 7, 255]


def test_a_digest_knows_voxels_and_not_their_order_in_memory() -> None:
    voxels = noise(0)
    assert digest(voxels) == digest(np.asfortranarray(voxels)) != digest(noise(1))
    assert digest(voxels) != digest(voxels.reshape(14, 12, 16))


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
    save(tmp_path / "label.nii", mask())
    case = Case("a", (tmp_path / "a.nii", tmp_path / "b.nii"), tmp_path / "label.nii")
    (found,) = inspect(Dataset("toy", ("one",), (case,)))
    assert (found.kind, "b.nii: lies elsewhere" in found.message) == ("grid", True)


def test_pictures_have_no_spacing_to_compare(tmp_path: Path) -> None:
    for k, side in enumerate((8, 24)):
        pixels = np.arange(side * side).reshape(side, side)
        write_label(tmp_path / "images" / f"{k}.png", pixels % 200, Geometry())
        write_label(tmp_path / "labels" / f"{k}.png", pixels % 2, Geometry())
    assert inspect(open_folder(tmp_path)) == []


def test_a_slice_may_show_nothing_of_an_organ_that_others_of_its_volume_show(tmp_path: Path) -> None:
    for k in range(4):
        write_label(tmp_path / "images" / f"{k}.png", np.random.default_rng(k).integers(0, 200, (8, 8)), Geometry())
        write_label(tmp_path / "labels" / f"{k}.png", np.eye(8, k=k) * (k > 1), Geometry())
    (tmp_path / "dataset.yaml").write_text("groups: {'1': volume, '2': volume}")
    (found,) = inspect(open_folder(tmp_path))
    assert (found.kind, found.case) == ("empty label", "0")


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
    assert (facts["errors"], facts["warnings"], facts["cases"]) == (1, 1, {"train": 9, "validation": 0, "test": 1})
    assert [finding["case"] for finding in facts["findings"]] == ["b", "c"]
    save(clean / "labels" / "z.nii.gz", mask())  # the layout is wrong: the rest is checked all the same
    kinds = [finding["kind"] for finding in json.loads(check("--json").stdout)["findings"]]
    assert kinds == ["orphan label", "empty label", "label values"]
    (clean / "labels" / "z.nii.gz").unlink()
    text = check().stdout
    assert "error: label values: " in text
    assert text.splitlines()[-1] == "1 errors, 1 warnings"
    assert check("--label-map", "255:1").exit_code == 0
