"""Batches as the released scripts make them: one h5 file opened a sample, NumPy on one sample at a time, in worker processes."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch.utils.data import DataLoader, Dataset

Array = NDArray[Any]
WORKERS = 4


def read(path: Path) -> tuple[Array, Array]:
    """The whole scan (*S) and its label, unpacked."""
    with h5py.File(path) as file:
        return file["image"][:], file["label"][:]


def turn_and_flip(image: Array, label: Array, turns: int, axis: int) -> tuple[Array, Array]:
    """Quarter turns in the first two axes, then a flip."""
    image, label = np.rot90(image, turns), np.rot90(label, turns)
    return np.flip(image, axis).copy(), np.flip(label, axis).copy()


def crop(image: Array, label: Array, patch: Sequence[int]) -> tuple[Array, Array]:
    """A random patch; a scan that is too small gets zeros on both sides."""
    if any(side <= size for side, size in zip(image.shape, patch, strict=True)):
        margins = [max((size - side) // 2 + 3, 0) for side, size in zip(image.shape, patch, strict=True)]
        image, label = (np.pad(array, [(m, m) for m in margins]) for array in (image, label))
    starts = [np.random.randint(0, side - size) for side, size in zip(image.shape, patch, strict=True)]  # noqa: NPY002
    place = tuple(slice(start, start + size) for start, size in zip(starts, patch, strict=True))
    return image[place], label[place]


def volume_sample(image: Array, label: Array, patch: Sequence[int]) -> tuple[Array, Array]:
    """What is done to an LA scan: a quarter turn, always a flip, a crop."""
    image, label = turn_and_flip(image, label, np.random.randint(0, 4), np.random.randint(0, 2))  # noqa: NPY002
    return crop(image, label, patch)


def slice_sample(image: Array, label: Array, patch: Sequence[int]) -> tuple[Array, Array]:
    """What is done to an ACDC slice: in half of the cases turned and flipped, in a quarter rotated; then resized."""
    if random.random() > 0.5:
        image, label = turn_and_flip(image, label, np.random.randint(0, 4), np.random.randint(0, 2))  # noqa: NPY002
    elif random.random() > 0.5:
        angle = np.random.randint(-20, 20)  # noqa: NPY002
        image, label = (ndimage.rotate(array, angle, order=0, reshape=False) for array in (image, label))
    factors = [size / side for side, size in zip(image.shape, patch, strict=True)]
    return ndimage.zoom(image, factors, order=0), ndimage.zoom(label, factors, order=0)


@dataclass(frozen=True)
class Samples(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """One sample of one file."""

    paths: Sequence[Path]
    patch: tuple[int, ...]

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Image (1, *P) float32 and label (*P) int64."""
        make = volume_sample if len(self.patch) == 3 else slice_sample
        image, label = make(*read(self.paths[index]), self.patch)
        return torch.from_numpy(image.astype(np.float32))[None], torch.from_numpy(label.astype(np.int64))

    def __len__(self) -> int:
        return len(self.paths)


def batches(labeled: Sequence[Path], unlabeled: Sequence[Path], patch: tuple[int, ...], slots: int, steps: int) -> Iterator[Any]:
    """`steps` batches of `slots` labelled and `slots` unlabelled samples, labelled ones first."""
    order = np.random.default_rng(0)
    count = len(labeled)
    chosen = [
        [*order.choice(count, slots, replace=count < slots), *(count + order.choice(len(unlabeled), slots, replace=False))]
        for _ in range(steps)
    ]
    yield from DataLoader(Samples([*labeled, *unlabeled], patch), batch_sampler=chosen, num_workers=WORKERS)
