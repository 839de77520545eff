"""From a step's number to its batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from semiseg.case import Batch
from semiseg.data.augment import Augmentation
from semiseg.data.bank import Bank
from semiseg.data.folder import open_folder
from semiseg.data.loader import Loader
from semiseg.data.prepare import Prepared, prepare
from semiseg.errors import DataError, SettingsError

EVERYTHING = Augmentation(symmetry="in_plane", rotate=15, scale=0.1, contrast=0.1, brightness=0.1, gamma=0.1, noise=0.1)


def bank(count: int, *shape: int, labeled: bool = True, channels: int = 2) -> Bank:
    random = np.random.default_rng(count)
    images = [random.normal(size=(channels, *shape)).astype(np.float32) for _ in range(count)]
    return Bank([Prepared(f"{i}", image, (image[0] > 0).astype(np.uint8) if labeled else None) for i, image in enumerate(images)])


def same(a: Batch, b: Batch) -> bool:
    return torch.equal(a.images(), b.images()) and torch.equal(a.labeled.label, b.labeled.label)


@pytest.mark.parametrize("shape", [(12, 10), (12, 10, 6)])
def test_a_batch_is_a_function_of_its_step(shape: tuple[int, ...]) -> None:
    patch = (8, 6, 4)[: len(shape)]

    def loader(seed: int = 0) -> Loader:
        return Loader(bank(3, *shape), bank(5, *shape, labeled=False), patch, 2, 3, EVERYTHING, seed)

    first = loader()
    batches = [first(step) for step in range(4)]
    assert (batches[0].labeled.image.shape, batches[0].labeled.label.shape) == ((2, 2, *patch), (2, *patch))
    assert batches[0].unlabeled.image.shape == (3, 2, *patch)
    assert same(loader()(3), batches[3])  # asked for alone, by another loader
    assert not same(batches[0], batches[1])
    assert not same(loader(seed=1)(0), batches[0])


def test_labels_go_with_their_images() -> None:
    batch = Loader(bank(3, 12, 9, 7), None, (6, 4, 5), 8, 0, Augmentation(symmetry="in_plane"), 0)(0)
    assert torch.equal(batch.labeled.label, (batch.labeled.image[:, 0] > 0).long())


def test_without_unlabelled_slots_their_part_is_empty() -> None:
    for unlabeled in (None, bank(2, 8, 8, labeled=False)):
        batch = Loader(bank(2, 8, 8), unlabeled, (4, 4), 2, 0, Augmentation(), 0)(0)
        assert batch.unlabeled.image.shape == (0, 2, 4, 4)
        assert batch.images().shape == (2, 2, 4, 4)


def test_the_labels_of_the_unlabelled_change_nothing() -> None:
    without = Loader(bank(2, 8, 8), bank(3, 8, 8, labeled=False), (4, 4), 1, 2, EVERYTHING, 0)
    with_labels = Loader(bank(2, 8, 8), bank(3, 8, 8), (4, 4), 1, 2, EVERYTHING, 0)
    assert all(same(without(step), with_labels(step)) for step in range(5))


def test_what_cannot_be_loaded_is_refused() -> None:
    with pytest.raises(SettingsError, match="no unlabelled scans"):
        Loader(bank(1, 8, 8), None, (4, 4), 1, 1, Augmentation(), 0)
    with pytest.raises(SettingsError, match=r"3 sides.*2 axes"):
        Loader(bank(1, 8, 8), None, (4, 4, 4), 1, 0, Augmentation(), 0)
    with pytest.raises(SettingsError, match="at least 1"):
        Loader(bank(1, 8, 8), None, (4, 4), 0, 0, Augmentation(), 0)
    with pytest.raises(DataError, match="has no label"):
        Loader(bank(1, 8, 8, labeled=False), None, (4, 4), 1, 0, Augmentation(), 0)
    with pytest.raises(DataError, match="3 channels"):
        Loader(bank(1, 8, 8), bank(1, 8, 8, channels=3), (4, 4), 1, 1, Augmentation(), 0)


def test_la_is_loaded_as_published(la_folder: Path, tmp_path: Path) -> None:
    dataset = open_folder(la_folder)
    split = dataset.split(2)
    labeled, unlabeled = (Bank(prepare(cases, dataset.preparation, 2, tmp_path)) for cases in (split.labeled, split.unlabeled[:2]))
    batch = Loader(labeled, unlabeled, (112, 112, 80), 4, 4, Augmentation(symmetry="in_plane"), 1337)(0)
    assert batch.images().shape == (8, 1, 112, 112, 80)
    assert (batch.labeled.label.min(), batch.labeled.label.max()) == (0, 1)
    assert batch.images().isfinite().all()
