from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any

import nibabel
import numpy as np
import pytest
import torch

from semiseg.config import make_run
from semiseg.errors import DataError
from semiseg.inference.ahead import read_ahead
from semiseg.inference.files import predict_files
from semiseg.inference.inputs import find_cases
from semiseg.inference.masks import folder_name
from semiseg.inference.predictor import Predictor
from semiseg.inference.scan import read_scan


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    torch.manual_seed(0)
    values = {"data": {"channels": 1, "classes": ["one"]}, "network": {"width": 4}, "training": {"patch": [16, 16, 16]}}
    run = make_run(values)
    return Predictor(run, run.build(), torch.device("cpu"), "32-true")


def write_scan(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(seed).normal(size=(16, 17, 18)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(image, np.diag([1.0, 2.0, 3.0, 1.0])), path)
    return path


def test_one_bad_scan_does_not_stop_the_others(tmp_path: Path, predictor: Predictor) -> None:
    for name in ("a", "c"):
        write_scan(tmp_path / "scans" / f"{name}.nii.gz")
    (tmp_path / "scans" / "b.nii.gz").write_bytes(b"not a scan")
    calls: list[tuple[int, int]] = []
    results = predict_files(predictor, find_cases([tmp_path / "scans"]), tmp_path / "masks", progress=lambda *done: calls.append(done))
    assert [result.status for result in results] == ["predicted", "failed", "predicted"]
    assert "b.nii.gz" in results[1].message
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == ["a.nii.gz", "c.nii.gz"]
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_what_is_there_is_passed_over_unless_it_shall_be_overwritten(tmp_path: Path, predictor: Predictor) -> None:
    source, mask = write_scan(tmp_path / "a.nii.gz"), tmp_path / "masks" / "a.nii.gz"
    predict_files(predictor, find_cases([source]), tmp_path / "masks")
    before = nibabel.Nifti1Image.from_filename(mask).get_fdata()
    mask.write_bytes(b"mine")
    assert predict_files(predictor, find_cases([source]), tmp_path / "masks")[0].status == "skipped"
    assert mask.read_bytes() == b"mine"
    assert predict_files(predictor, find_cases([source]), tmp_path / "masks", overwrite=True)[0].status == "predicted"
    assert (nibabel.Nifti1Image.from_filename(mask).get_fdata() == before).all()


def test_uncertainty_is_written_in_whole_percent(tmp_path: Path, predictor: Predictor) -> None:
    predict_files(predictor, find_cases([write_scan(tmp_path / "a.nii.gz")]), tmp_path / "masks", uncertainty=True)
    image = nibabel.Nifti1Image.from_filename(tmp_path / "masks" / "uncertainty" / "a.nii.gz")
    assert image.shape == (16, 17, 18)
    assert image.get_data_dtype() == np.uint8
    assert 0 <= image.get_fdata().min() <= image.get_fdata().max() <= 100


def test_probabilities_are_written_for_each_class_in_whole_percent(tmp_path: Path) -> None:
    values = {"method": "supervised", "data": {"channels": 1, "classes": ["left atrium", "a/b"]}, "network": {"width": 4}}
    run = make_run(values, {"training": {"patch": [16, 16, 16]}})
    two = Predictor(run, run.build(), torch.device("cpu"), "32-true")
    (result,) = predict_files(two, find_cases([write_scan(tmp_path / "a.nii.gz")]), tmp_path / "masks", probabilities=True)
    assert result.status == "predicted"
    files = [tmp_path / "masks" / "probabilities" / name / "a.nii.gz" for name in ("left atrium", "a_b")]
    first, second = (np.asanyarray(nibabel.Nifti1Image.from_filename(file).dataobj) for file in files)
    mask = nibabel.Nifti1Image.from_filename(result.mask).get_fdata()
    assert first.dtype == np.uint8
    assert (first[mask == 1] >= second[mask == 1]).all()
    assert int(first.max()) + int(second.max()) <= 200
    assert not (tmp_path / "masks" / "uncertainty").exists()
    assert [folder_name(name) for name in ("..", "CON: x", "Vorhof, links")] == ["_", "CON_ x", "Vorhof_ links"]


def test_the_next_scan_is_read_while_one_is_predicted(tmp_path: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = find_cases([write_scan(tmp_path / f"{name}.nii.gz") for name in "abc"])
    read = Event()
    first, *_ = read_ahead(predictor, cases[:1])
    assert first().shape == (16, 17, 18)

    def reading(self: Predictor, sources: Any, spacing: Any = None) -> Any:
        read.set()
        return read_scan(sources, spacing, [self.run])

    monkeypatch.setattr(Predictor, "read", reading)
    scans = read_ahead(predictor, cases)
    next(scans)
    assert read.wait(20)  # nobody has asked for the second yet
    monkeypatch.setattr("semiseg.inference.ahead.LARGEST", 100)
    scans = read_ahead(predictor, cases)
    read.clear()
    next(scans)
    second = next(scans)
    assert not read.wait(0.2)  # large scans wait for their turn
    assert second().shape == (16, 17, 18)


def test_memory_that_runs_out_fails_one_scan_and_names_the_way_out(
    tmp_path: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = find_cases([write_scan(tmp_path / f"{name}.nii.gz") for name in "ab"])
    answer, calls = Predictor.answer, []

    def first_fails(self: Predictor, *arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nGPU 0 has ...")
        return answer(self, *arguments)

    monkeypatch.setattr(Predictor, "answer", first_fails)
    failed, done = predict_files(predictor, cases, tmp_path / "masks")
    assert (failed.status, done.status) == ("failed", "predicted")
    assert failed.message.startswith("not enough memory (CUDA out of memory. Tried to allocate 20.00 GiB.). Set inference.batch to 1")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_scan_is_normalised_in_memory_and_not_in_its_file(tmp_path: Path, predictor: Predictor, suffix: str) -> None:
    source = write_scan(tmp_path / f"a{suffix}")  # float32: an uncompressed one is mapped
    before = source.read_bytes()
    (result,) = predict_files(predictor, find_cases([source]), tmp_path / "masks")
    assert result.status == "predicted"
    assert source.read_bytes() == before


def test_a_mask_never_takes_the_place_of_a_scan(tmp_path: Path, predictor: Predictor) -> None:
    source = write_scan(tmp_path / "a.nii.gz")
    with pytest.raises(DataError, match="would take the scan's place"):
        predict_files(predictor, find_cases([source]), tmp_path, overwrite=True)


def test_two_scans_of_one_name_are_refused(tmp_path: Path, predictor: Predictor) -> None:
    sources = [write_scan(tmp_path / part / "a.nii.gz") for part in "xy"]
    with pytest.raises(DataError, match=r"y/a.nii.gz: its mask would have the name of that of .*x/a.nii.gz"):
        predict_files(predictor, find_cases(sources), tmp_path / "masks")


def test_scans_are_found_in_a_folder_or_in_its_images(tmp_path: Path) -> None:
    a, b = write_scan(tmp_path / "data" / "images" / "b.nii.gz"), write_scan(tmp_path / "data" / "images" / "a.nii")
    (tmp_path / "data" / "images" / ".hidden.nii.gz").touch()
    (tmp_path / "data" / "images" / "notes.txt").touch()
    for inputs in ([tmp_path / "data"], [tmp_path / "data" / "images"], [b, a]):
        assert [case.images for case in find_cases(inputs)] == [(b,), (a,)]
    assert [case.images for case in find_cases([a])] == [(a,)]
    with pytest.raises(DataError, match="no such file or folder"):
        find_cases([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no scans; expected files that end with"):
        find_cases([tmp_path / "empty"])


def test_modalities_of_one_scan_are_found_by_their_numbers(tmp_path: Path) -> None:
    files = [write_scan(tmp_path / "scans" / f"{name}_000{k}.nii.gz", k) for name in "ab" for k in range(2)]
    for inputs in ([tmp_path / "scans"], files):
        assert [(case.id, case.images) for case in find_cases(inputs, 2)] == [("a", tuple(files[:2])), ("b", tuple(files[2:]))]
    assert [case.id for case in find_cases([tmp_path / "scans"])] == ["a_0000", "a_0001", "b_0000", "b_0001"]
    with pytest.raises(DataError, match="case 'b' has no modality 0001"):
        find_cases(files[:3], 2)
    values = {"data": {"channels": 2, "classes": ["one"]}, "network": {"width": 4}, "training": {"patch": [16, 16, 16]}}
    run = make_run(values)
    results = predict_files(Predictor(run, run.build(), torch.device("cpu"), "32-true"), find_cases(files, 2), tmp_path / "masks")
    assert [(result.status, result.mask.name) for result in results] == [("predicted", "a.nii.gz"), ("predicted", "b.nii.gz")]


def test_masks_of_nnunet_scans_find_their_labels(tmp_path: Path, predictor: Predictor) -> None:
    write_scan(tmp_path / "imagesTs" / "a_0000.nii.gz")
    results = predict_files(predictor, find_cases(str(tmp_path / "imagesTs")), str(tmp_path / "labelsTs"))
    assert [(result.status, result.mask) for result in results] == [("predicted", tmp_path / "labelsTs" / "a.nii.gz")]
    scans = [write_scan(tmp_path / "scans" / f"{name}_0000.nii.gz") for name in "ab"]
    assert [case.id for case in find_cases([tmp_path / "scans"])] == ["a", "b"]
    assert [case.id for case in find_cases(scans[:1])] == ["a_0000"]  # may be the first of a series of numbers
    write_scan(tmp_path / "scans" / "b_0001.nii.gz")
    assert [case.id for case in find_cases([tmp_path / "scans"])] == ["a_0000", "b_0000", "b_0001"]


def test_a_manifest_and_a_data_folder_say_which_scans_there_are(tmp_path: Path) -> None:
    parts = ("flair", "t1", "t1ce", "t2", "seg")
    files = {part: write_scan(tmp_path / "brats" / "p1" / f"p1_{part}.nii.gz") for part in parts}
    (case,) = find_cases([tmp_path / "brats"], 4)
    assert (case.id, case.images, case.label) == ("p1", tuple(files[part] for part in parts[:4]), None)
    (tmp_path / "brats" / "m.csv").write_text("id,image,spacing\nx,p1/p1_t1.nii.gz,1;2;3\n")
    (case,) = find_cases([tmp_path / "brats" / "m.csv"])
    assert (case.id, case.images, case.spacing) == ("x", (files["t1"],), (1, 2, 3))
