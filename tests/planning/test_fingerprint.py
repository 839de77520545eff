from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from semiseg.case import Array, Case
from semiseg.data.cache import Cache
from semiseg.data.dataset import Split
from semiseg.data.preparation import read_case_image
from semiseg.planning import fingerprint as module
from semiseg.planning.fingerprint import fingerprint, grey_values, is_ct, some


def write(path: Path, values: Array, spacing: tuple[float, ...] = (1.0, 1.0, 1.0)) -> Path:
    nibabel.save(nibabel.Nifti1Image(values, np.diag([*spacing, 1.0])), path)
    return path


def ct_scan(seed: int = 0) -> tuple[Array, Array]:
    """A body of 40 HU in air, an organ of 100 HU in it."""
    random = np.random.default_rng(seed)
    image = np.full((20, 20, 10), -1000.0)
    image[4:16, 4:16], image[8:12, 8:12] = 40, 100
    label = (image == 100).astype(np.uint8)
    return np.rint(image + random.normal(0, 10, image.shape)).astype(np.float32), label


def poisoned(folder: Path, name: str) -> Path:
    """A file that raises when it is opened."""
    path = folder / f"{name}.nii.gz"
    path.write_bytes(b"opening this is an error")
    return path


def test_ct_is_whole_numbers_with_air() -> None:
    image, _ = ct_scan()
    assert is_ct(image)
    assert not is_ct(image + 0.5)  # no whole numbers
    assert not is_ct(image + 1024)  # MR, PET and pictures have no such negative values
    assert not is_ct(np.where(np.arange(image.size).reshape(image.shape) == 7, -1000, 50))  # one voxel in 4,000


def test_grey_values_are_those_of_labelled_structures() -> None:
    image, label = ct_scan()
    (found,) = grey_values([Case("a", (image,), label), Case("b", (ct_scan(1)[0],))])
    assert found.ct
    assert found.of_labels
    assert found.mean == pytest.approx(100, abs=2)  # the organ's, not the body's 40 or the air's -1000
    assert found.std == pytest.approx(10, abs=1.5)
    assert 70 < found.low < found.high < 130
    assert found.median < -900  # of all voxels: air


def test_without_foreground_all_voxels_count() -> None:
    (found,) = grey_values([Case("a", (ct_scan()[0],))])
    assert not found.of_labels
    assert found.low < -1000


def test_labels_of_unlabelled_cases_and_all_of_validation_and_test_are_left_alone(tmp_path: Path) -> None:
    image, label = ct_scan()
    cases = [
        Case(name, (write(tmp_path / f"{name}.nii.gz", image, (0.5, 0.5, 2.0)),), poisoned(tmp_path, f"{name}_label")) for name in "ab"
    ]
    first = Case("first", cases[0].images, write(tmp_path / "label.nii.gz", label, (0.5, 0.5, 2.0)))
    closed = (Case("test", (poisoned(tmp_path, "scan"),), poisoned(tmp_path, "mask")),)
    split = Split((first,), tuple(case.unlabeled() for case in cases), closed, closed)
    found = fingerprint(split, cache=Cache(tmp_path / "cache"))
    assert (found.labeled, found.unlabeled) == (1, 2)
    assert found.shapes == ((20, 20, 10),) * 3
    assert found.spacings == ((0.5, 0.5, 2.0),) * 3
    assert found.classes == ("class_1",)


def test_it_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, label = ct_scan()
    case = Case("a", (write(tmp_path / "a.nii.gz", image),), write(tmp_path / "l.nii.gz", label))
    split, cache = Split((case,), (), (), ()), Cache(tmp_path / "cache")
    first = fingerprint(split, cache=cache)
    monkeypatch.setattr(module, "read_case_image", lambda case: pytest.fail("read again"))
    assert fingerprint(split, cache=cache) == first
    write(tmp_path / "a.nii.gz", image[:10])
    write(tmp_path / "l.nii.gz", label[:10])
    with pytest.raises(pytest.fail.Exception, match="read again"):  # another file, another fingerprint
        fingerprint(split, cache=cache)


def test_few_of_many_scans_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def note(case: Case) -> tuple[Array, tuple[float, ...] | None]:
        read.append(case.id)
        return read_case_image(case)

    monkeypatch.setattr(module, "read_case_image", note)
    image, label = ct_scan()
    labeled = tuple(Case(f"l{k}", (image,), label) for k in range(20))
    unlabeled = tuple(Case(f"u{k}", (image,)) for k in range(100))
    assert len(fingerprint(Split(labeled, unlabeled, (), ())).shapes) == 120
    assert read == ["l0", "l3", "l7", "l11", "l15", "l19", "u0", "u19", "u39", "u59", "u79", "u99"]
    assert some([], 3) == []


def test_where_axes_run_is_counted_over_files_that_say_so(tmp_path: Path) -> None:
    image, label = ct_scan()
    sides = [(1.0, 1.0, 1.0), (-1.0, -1.0, 2.0), (1.0, 2.0, 1.0)]
    files = [write(tmp_path / f"{k}.nii.gz", image, spacing) for k, spacing in enumerate(sides)]
    cases = (Case("array", (image,)), *(Case(file.name, (file,)) for file in files))
    found = fingerprint(Split((Case("l", (image,), label),), cases, (), ()), cache=Cache(tmp_path / "cache"))
    assert found.axes == ("", "", "RAS", "LPS", "RAS")
    assert found.summary()["axes"] == {"RAS": 2, "LPS": 1}


def test_voxel_sizes_count_only_where_all_are_known() -> None:
    image, label = ct_scan()
    known = Case("a", (image,), label, spacing=(1.0, 1.0, 3.0))
    assert fingerprint(Split((known,), (), (), ())).spacings == ((1.0, 1.0, 3.0),)
    assert fingerprint(Split((known,), (Case("b", (image,)),), (), ())).spacings == ()
    assert fingerprint(Split((known,), (), (), ())).summary()["voxels"] == {
        name: [20, 20, 10] for name in ("smallest", "median", "largest")
    }
