"""Sampling, windows, metrics and components: plain and semiseg's, on real scans."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import plain_components
import plain_data
import plain_metrics
import plain_network
import plain_windows
import scans
import torch
from numpy.typing import NDArray
from scipy import ndimage
from step import SEED
from timing import Row, Setting, in_turns, seconds

from semiseg.data.sampling import Draw, crop_shape, draw
from semiseg.devices import channels_last, pick_precision
from semiseg.evaluation.metrics import scores
from semiseg.functional.pseudo_labels import keep_largest_components
from semiseg.host_memory import give_back_freed_memory, keep_freed_memory
from semiseg.inference.predictor import Predictor
from semiseg.training.trial import wait_for

PATCH, STRIDE = (112, 112, 80), (18, 18, 4)
SUB_VOLUME = (130, 130, 88)
"""Of a real scan: 12 windows. A whole one has about 150."""


def sampling(given: Setting) -> Iterator[Row]:
    """Batches of 4 + 4 LA patches of the published size, from files and from prepared scans."""
    took, job = seconds(lambda: scans.la_job(given.data, PATCH))
    loader, files, few, many, numbers = scans.loader(job, given.device), scans.paths(job), 4, 40, count()

    def plain() -> None:
        give_back_freed_memory(now=False)
        for _ in plain_data.batches(*files, PATCH, 4, few):
            pass

    def ours() -> None:
        keep_freed_memory()  # as a training does
        for _ in range(many):
            loader(next(numbers))
        wait_for(given.device)

    taken = in_turns(plain, ours, given.repeats)
    times = (8 * few / taken[0], 8 * many / taken[1])
    note = f"{len(files[0] + files[1])} scans, prepared once ({took:.0f} s, none if kept from before)"
    yield Row("sampling and augmentation, LA, 112x112x80", "samples/s", *times, times[1] / times[0], 30, patch_difference(job), note)


def patch_difference(job: Any) -> str:
    """Between the patches of a batch and the same crops of the same files, turned and flipped by NumPy."""
    run, batch = job.run, scans.loader(job)(0)
    shapes = [item.image.shape[1:] for item in job.labeled]
    most = 0.0
    for slot in range(4):
        one = draw(run.seed, "labeled", 0, slot, 4, shapes, PATCH, run.augmentation.symmetry)
        expected = by_numpy(plain_data.read(scans.paths(job)[0][one.case])[0], one)
        most = max(most, float(np.abs(batch.labeled.image[slot, 0].numpy() - expected).max()))
    return f"voxels {most:g}"


def by_numpy(image: NDArray[Any], one: Draw) -> NDArray[Any]:
    """The crop of a draw, turned and flipped."""
    place = tuple(slice(start, start + size) for start, size in zip(one.start, crop_shape(PATCH, one.turns), strict=True))
    return np.flip(np.rot90(image[place], one.turns), one.flips)


def windows(given: Setting) -> Iterator[Row]:
    """CML's mean of both views on the middle of a test scan."""
    job = scans.la_job(given.data, PATCH)
    torch.manual_seed(SEED)
    method: Any = job.run.build()
    method.train()
    with torch.no_grad():  # batch statistics that are none of a fresh network
        for number in range(3):
            method.views(scans.loader(job)(number).labeled.image[:2])
    scan = plain_data.read(scans.paths(job)[0][0])[0]
    image = scan[tuple(slice((side - size) // 2, (side - size) // 2 + size) for side, size in zip(scan.shape, SUB_VOLUME, strict=True))]
    twin: Any = job.run.build()
    twin.load_state_dict(method.state_dict())
    plain_network.plain(twin).to(given.device).eval()
    method = method.to(given.device, memory_format=channels_last(PATCH)).eval()
    predictor = Predictor(job.run, method, given.device, pick_precision("auto", given.device))
    found: dict[str, NDArray[Any]] = {}

    def plain() -> None:
        give_back_freed_memory()  # a program of its own would not have it
        found["plain"] = plain_windows.probabilities(twin.predict_logits, image, PATCH, STRIDE, 2, given.device)

    def ours() -> None:
        probabilities = predictor.predict(image, maps=True).probabilities
        assert probabilities is not None
        found["ours"] = probabilities.astype(np.float32)

    times = in_turns(plain, ours, given.repeats, warm=False)
    most = np.abs(found["plain"] - found["ours"]).max()
    masks = [found[way][1] > found[way][0] for way in ("plain", "ours")]
    dice = 2 * (masks[0] & masks[1]).sum() / max(masks[0].sum() + masks[1].sum(), 1)
    size, note = "x".join(map(str, SUB_VOLUME)), "the middle of a scan, 12 windows; a whole scan has about 150"
    name = f"sliding window, LA {size}, stride 18/18/4"
    yield Row(name, "s", *times, times[0] / times[1], 2.5, f"probabilities {most:.0e}, 1 - Dice {1 - dice:.0e}", note)


def metrics(given: Setting) -> Iterator[Row]:
    """Dice, Jaccard, HD95, ASD and ASSD of 3 real left atria, each against itself moved, eroded and with noise."""
    pairs = [(prediction, label) for label in _labels(given.data, 3) for prediction in _predictions(label)]
    found: dict[str, list[tuple[float, ...]]] = {}

    def plain() -> None:
        found["plain"] = [plain_metrics.scores(prediction, label, 1)[0] for prediction, label in pairs]

    def ours() -> None:
        results = [scores(prediction, label, ["left atrium"])[0] for prediction, label in pairs]
        found["ours"] = [(s.dice, s.jaccard, s.hd95_voxel, s.asd_voxel, s.assd_voxel) for s in results]

    times = [t / len(pairs) for t in in_turns(plain, ours, given.repeats)]
    most = np.abs(np.asarray(found["plain"]) - np.asarray(found["ours"])).max()
    yield Row("the five metrics, LA masks", "s a case", times[0], times[1], times[0] / times[1], 8, f"{most:.0e}", f"{len(pairs)} pairs")


def components(given: Setting) -> Iterator[Row]:
    """Real left atria with the specks and holes of an early network."""
    labels = [_middle(_predictions(label)[2], PATCH) for label in _labels(given.data, 4)]
    batch = torch.from_numpy(np.stack(labels).astype(np.int64))
    on_device = batch.to(given.device)
    found: dict[str, torch.Tensor] = {}

    def plain() -> None:
        found["plain"] = torch.from_numpy(np.stack([plain_components.keep_largest(sample, 2) for sample in batch.numpy()]))

    def ours() -> None:
        found["ours"] = keep_largest_components(on_device, 2)
        wait_for(given.device)

    times = in_turns(plain, ours, given.repeats)
    other = int((found["plain"] != found["ours"].cpu()).sum())
    yield Row("largest components, 4 x 112x112x80", "s", *times, times[0] / times[1], 3, f"{other} voxels")


def _labels(folder: Path, count: int) -> list[NDArray[np.uint8]]:
    return [plain_data.read(path)[1].astype(np.uint8) for path in sorted((folder / "LA").glob("*/*/mri_norm2.h5"))[:count]]


def _predictions(label: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Moved by 2, 1 and 1 voxels; eroded; with a ragged border and false specks."""
    smooth = ndimage.gaussian_filter(np.random.default_rng(SEED).normal(size=label.shape), 2)
    ragged = ndimage.gaussian_filter(label.astype(np.float32), 1) + 4 * smooth > 0.5
    return [np.roll(label, (2, 1, 1), (0, 1, 2)), ndimage.binary_erosion(label, iterations=2).astype(np.uint8), ragged.astype(np.uint8)]


def _middle(array: NDArray[Any], patch: tuple[int, ...]) -> NDArray[Any]:
    return array[tuple(slice((side - size) // 2, (side - size) // 2 + size) for side, size in zip(array.shape, patch, strict=True))]
