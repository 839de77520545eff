"""A scan in pieces is predicted as in one, whatever memory it may take, by one run or by several, with and without another spacing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from torch import Tensor

from semiseg.case import Array
from semiseg.config import Run, make_run
from semiseg.errors import DataError, SettingsError
from semiseg.inference.pieces import make_pieces
from semiseg.inference.predictor import Maps, Predictor, load
from semiseg.inference.scores import window_scores
from semiseg.methods import Method, MethodSettings, Task
from semiseg.run_folder import RunFolder

CPU = torch.device("cpu")


def a_run(patch: tuple[int, ...] = (16, 16, 16), **sections: Any) -> Run:
    general = {"method": "supervised", "data": {"channels": 1, "classes": ["one", "two"]}, "network": {"width": 4}}
    return make_run(general, {"training": {"patch": patch, "precision": "32-true"}}, sections)


def predictor(run: Run, seed: int = 0) -> Predictor:
    torch.manual_seed(seed)
    return Predictor(run, run.build(), CPU, "32-true")


def noise(*shape: int) -> Array:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def with_memory(run: Run, voxels: float) -> Run:
    """Room for so many float32 numbers."""
    return run.model_copy(update={"inference": run.inference.model_copy(update={"memory": 4 * voxels / 2**30})})


@pytest.mark.parametrize("sections", [{}, {"preparation": {"spacing": (0.8, 1.4, 1.0)}}], ids=["own grid", "resampled"])
def test_pieces_make_the_whole(sections: dict[str, Any]) -> None:
    run, image = a_run(**sections), noise(20, 30, 41)
    whole = predictor(run).predict(image, (1.0, 1.0, 1.0), maps=True)
    for voxels in (60_000, 4_000):  # another axis, columns
        small = predictor(with_memory(run, voxels))
        shapes = [member.shape[1:] for member in small.read([image], (1.0, 1.0, 1.0)).prepared]
        pieces = make_pieces(image.shape, [(small.run, shapes[0])], 4)
        assert (pieces.axis, len(pieces.columns) > 1) == (2, voxels < 60_000)
        found = small.predict(image, (1.0, 1.0, 1.0), maps=True)
        assert whole.probabilities is not None
        assert found.probabilities is not None
        assert found.probabilities == pytest.approx(whole.probabilities, abs=1e-3)  # half precision
        assert (found.labels != whole.labels).mean() < 1e-4  # summed in another order: near ties alone may differ


def test_rows_that_are_given_out_early_change_no_bit() -> None:
    """Along the first axis windows are summed in the order of the field's code, whatever leaves memory in between."""
    run, image = a_run(), noise(60, 18, 17)
    held = with_memory(run, 4 * 24 * 18 * 17)  # just a patch and a stride
    assert make_pieces(image.shape, [(held, image.shape)], 4).axis == 0
    found, whole = (predictor(r).predict(image, maps=True) for r in (held, run))
    assert np.array_equal(found.labels, whole.labels)
    assert found.probabilities is not None
    assert whole.probabilities is not None
    assert np.array_equal(found.probabilities, whole.probabilities)


def test_a_stride_for_another_number_of_axes_is_one_clear_error() -> None:
    with pytest.raises(SettingsError, match=r"inference.stride: \(8, 8\) does not suit patch \(16, 16, 16\)"):
        predictor(a_run(inference={"stride": (8, 8)})).predict(noise(16, 16, 16))


class Brightness(Method[MethodSettings]):
    """Foreground where the image is above 0, surer the further; what a well-trained network would say of a ball's distance."""

    title, paper, year, Settings = "Brightness", "none", 2026, MethodSettings

    def predict_logits(self, image: Tensor) -> Tensor:
        return torch.cat([-image, image, torch.full_like(image, -99)], dim=1)


def brightness(run: Run, *others: Run) -> Predictor:
    method = Brightness(Task(run.training.patch, run.description()), MethodSettings())
    return Predictor(run, method, CPU, "32-true", others=tuple(brightness(other) for other in others))


def ball(shape: tuple[int, ...], affine: Array) -> Array:
    """Millimetres inside of a ball of radius 9 around the middle of the scan. (*S)"""
    points = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"))
    middle = np.array([(n - 1) / 2 for n in shape]).reshape(3, 1, 1, 1)
    distance = np.linalg.norm(np.tensordot(affine[:3, :3], points - middle, 1), axis=0)
    inside: Array = (9 - distance).astype(np.float32)
    return inside


def oblique(spacing: tuple[float, float, float]) -> Array:
    c, s = np.cos(0.4), np.sin(0.4)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, -1]]) @ np.diag(spacing)
    affine[:3, 3] = (-12, 30, 5.5)
    return affine


@pytest.mark.parametrize("own", [(0.7, 0.7, 3.0), (2.0, 0.9, 0.9), (1.1, 1.2, 1.3)])
@pytest.mark.parametrize("asked", [(1.0, 1.0, 1.0), (0.8, 0.8, 2.0)])
def test_a_ball_lies_where_it_lay_after_the_way_there_and_back(
    tmp_path: Path, own: tuple[float, float, float], asked: tuple[float, float, float]
) -> None:
    from semiseg.inference.files import predict_files
    from semiseg.inference.inputs import find_cases

    affine, shape = oblique(own), tuple(round(24 / side) for side in own)
    inside = ball(shape, affine)
    nibabel.save(nibabel.Nifti1Image(inside, affine), tmp_path / "scan.nii.gz")
    run = a_run(preparation={"normalize": "none", "spacing": asked})
    (result,) = predict_files(brightness(run), find_cases([tmp_path / "scan.nii.gz"]), tmp_path / "masks")
    assert result.status == "predicted", result.message
    scan: Any = nibabel.load(tmp_path / "scan.nii.gz")
    mask: Any = nibabel.load(result.mask)
    assert np.array_equal(mask.affine, scan.affine)
    assert mask.shape == shape
    wrong = np.asanyarray(mask.dataobj) != (inside > 0)
    assert np.abs(inside[wrong]).max(initial=0) < max(own) / 2  # mm from the surface: within the voxel that it runs through
    assert wrong.sum() < 0.05 * (inside > 0).sum()


def test_slices_are_resampled_in_their_plane_and_back() -> None:
    image = ball((30, 26, 12), np.diag([1.0, 1.0, 2.0, 1]))
    run = a_run((16, 16), preparation={"normalize": "none", "spacing": (0.8, 1.3), "slice_axis": 2})
    labels = brightness(run).predict(image, (1.0, 1.0, 2.0)).labels
    assert labels.shape == image.shape
    assert np.abs(image[labels != (image > 0)]).max(initial=0) < 0.5


def test_a_scan_without_geometry_is_not_resampled_by_guess() -> None:
    run = a_run(preparation={"spacing": (1.0, 1.0, 1.0)})
    with pytest.raises(DataError, match=r"array of shape \(16, 16, 16\): holds no voxel size.*spacing=\(\.\.\.\) in Python"):
        predictor(run).predict(noise(16, 16, 16))


@pytest.mark.parametrize("patch", [(16, 32), (16, 16, 16)], ids=["2D", "3D"])
def test_flips_are_the_mean_over_all_mirror_images(patch: tuple[int, ...]) -> None:
    plain, flipped = (predictor(a_run(patch, inference={"flips": flips})) for flips in (False, True))
    for member in (plain, flipped):
        member.method.eval()
    image = torch.from_numpy(noise(2, 1, *patch))
    axes = tuple(range(2, image.ndim))
    with torch.no_grad():
        mean = window_scores(flipped, image, False)
        mirrored = window_scores(flipped, image.flip(axes), False).flip(axes)
        assert torch.allclose(mean, mirrored, atol=1e-6)  # it no longer matters which way the scan lies
        assert not torch.allclose(mean, window_scores(plain, image, False), atol=1e-3)
        if len(patch) == 2:
            every = [window_scores(plain, image.flip(flip), False).flip(flip) for flip in ((), (2,), (3,), (2, 3))]
            assert torch.allclose(mean, torch.stack(every).mean(0), atol=1e-6)


def test_several_runs_are_averaged_each_with_its_own_preparation_and_patch() -> None:
    image = noise(24, 20, 18)
    runs = [a_run(), a_run((16, 32, 16), preparation={"normalize": "none"}, inference={"stride": (5, 32, 16)})]
    runs.append(a_run((16, 16), preparation={"slice_axis": 1, "spacing": (1.5, 0.7)}))
    alone = [predictor(run, seed) for seed, run in enumerate(runs)]
    together = Predictor(runs[0], alone[0].method, CPU, "32-true", others=tuple(alone[1:]))
    single = [member.predict(image, (1.0, 1.0, 1.0), maps=True).probabilities for member in alone]
    found = together.predict(image, (1.0, 1.0, 1.0), maps=True)
    assert found.probabilities is not None
    assert found.uncertainty is not None
    assert all(one is not None for one in single)
    every = np.stack([np.asarray(one, np.float32) for one in single])
    assert found.probabilities == pytest.approx(every.mean(0), abs=2e-3)
    assert found.uncertainty == pytest.approx(np.ptp(1 - every[:, 0], axis=0), abs=2e-3)
    small = Predictor(with_memory(runs[0], 8_000), alone[0].method, CPU, "32-true", others=tuple(alone[1:]))
    assert small.predict(image, (1.0, 1.0, 1.0), maps=True).probabilities == pytest.approx(found.probabilities, abs=1e-3)


def test_runs_with_other_classes_are_not_averaged(tmp_path: Path) -> None:
    for name, classes in (("a", ["one", "two"]), ("b", ["one", "three"])):
        run = a_run(data={"channels": 1, "classes": classes})
        RunFolder.create(tmp_path / name, run).save_weights(run.build())
    both = load(tmp_path / "a", "cpu", [tmp_path / "a"], flips=True)
    assert [member.run.inference.flips for member in both.members] == [True, True]
    with pytest.raises(SettingsError, match=r"b: has classes \('one', 'three'\), and .*a has \('one', 'two'\)"):
        load(tmp_path / "a", "cpu", [tmp_path / "b"])


def test_maps_are_kept_as_they_are_asked_for() -> None:
    one, image = predictor(a_run()), noise(16, 17, 18)
    full = one.predict(image, maps=True)
    percent = one.answer(one.read([image]), Maps(probabilities=False, percent=True))
    assert percent.probabilities is None
    assert percent.uncertainty is not None
    assert full.uncertainty is not None
    assert percent.uncertainty.dtype == np.uint8
    assert percent.uncertainty == pytest.approx(100 * full.uncertainty.astype(np.float32), abs=0.6)
    only = one.answer(one.read([image]), Maps(uncertainty=False))
    assert only.uncertainty is None
    assert only.probabilities == pytest.approx(full.probabilities, abs=1e-3)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_classes_or_a_second_copy(tmp_path: Path) -> None:
    """200 x 200 x 200 voxels are 32 MB: the peak grows by the scan, its labels and a limited sum, not by K or float64 copies of it."""
    script = """
import sys, resource, torch
sys.path[:0] = sys.argv[1:]
from pathlib import Path
from test_pieces import a_run, brightness
from semiseg.inference.files import predict_files
from semiseg.inference.inputs import find_cases
run = a_run((40, 40, 40), data={"channels": 1, "classes": list("abcdefgh")}, inference={"stride": (40, 40, 40), "batch": 1, "memory": 0.04})
predictor = brightness(run)
predictor.method.predict_logits = lambda x: torch.cat([x] * 9, 1)
peaks = []
for name in ("small", "large"):
    (result,) = predict_files(predictor, find_cases([Path(f"{name}.nii")]), Path("masks"))
    assert result.status == "predicted", result.message
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
print(peaks[1] - peaks[0])
"""
    for name, shape in (("small", (40, 40, 40)), ("large", (200, 200, 200))):
        nibabel.save(nibabel.Nifti1Image(noise(*shape), np.eye(4)), tmp_path / f"{name}.nii")
    paths = [str(Path(__file__).parent), *sys.path]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    done = subprocess.run([sys.executable, "-c", script, *paths], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    scan = 4 * 200**3
    assert int(done.stdout) < 3 * scan  # all nine classes as float32 would be nine times the scan
