"""Scans held once, patches cut from them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from semiseg.case import Array
from semiseg.data.bank import Bank
from semiseg.data.prepare import Prepared
from semiseg.data.sampling import Draw, crop_shape
from semiseg.errors import DataError


def volume(*shape: int, channels: int = 1, labeled: bool = True) -> Prepared:
    image = np.random.default_rng(sum(shape)).normal(size=(channels, *shape)).astype(np.float32)
    return Prepared("a", image, (image[0] > 0).astype(np.uint8) if labeled else None)


def reference(array: Array, draw: Draw, patch: tuple[int, ...]) -> Array:
    """The same patch by the book: pad by a lot, slice, np.rot90, np.flip. `array` is (*S)."""
    margin = 20
    padded = np.pad(array, margin)
    cut = padded[tuple(slice(s + margin, s + margin + n) for s, n in zip(draw.start, crop_shape(patch, draw.turns), strict=True))]
    return np.flip(np.rot90(cut, draw.turns), draw.flips)


@given(
    shape=st.lists(st.integers(1, 9), min_size=2, max_size=3).map(tuple),
    patch=st.lists(st.integers(1, 9), min_size=3, max_size=3).map(tuple),
    start=st.lists(st.floats(0, 1), min_size=3, max_size=3),
    turns=st.integers(0, 3),
    flips=st.sets(st.integers(0, 2)),
    resident=st.booleans(),
)
def test_patches_are_cut_turned_and_flipped_as_numpy_does(
    shape: tuple[int, ...], patch: tuple[int, ...], start: list[float], turns: int, flips: set[int], resident: bool
) -> None:
    patch = patch[: len(shape)]
    item = volume(*shape, channels=2)
    size = crop_shape(patch, turns)
    at = tuple(round(min(0, s - n) + f * abs(s - n)) for s, n, f in zip(shape, size, start, strict=False))
    draw = Draw(0, at, turns, tuple(sorted(axis for axis in flips if axis < len(shape))))
    image, label = Bank([item], resident=resident).gather([draw, draw], patch)
    assert image.shape == (2, 2, *patch)
    for channel in range(2):
        assert np.array_equal(image[1, channel].numpy(), reference(item.image[channel], draw, patch))
    assert label is not None
    assert item.label is not None
    assert label.dtype == torch.int64
    assert np.array_equal(label[0].numpy(), reference(item.label, draw, patch))


def test_unlabelled_scans_have_no_labels_to_give() -> None:
    bank = Bank([volume(8, 8, labeled=False)])
    assert not bank.labeled
    assert bank.gather([Draw(0, (0, 0))], (4, 4))[1] is None


def test_half_precision_halves_the_memory_and_not_the_batch() -> None:
    item = volume(8, 8, 8)
    assert Bank.size_in_bytes([item]) == 512 * 4 + 512
    assert Bank.size_in_bytes([item], torch.float16) == 512 * 2 + 512
    image, _ = Bank([item], dtype=torch.float16, resident=True).gather([Draw(0, (0, 0, 0))], (8, 8, 8))
    assert image.dtype == torch.float32
    assert torch.allclose(image[0], torch.from_numpy(item.image), atol=2e-3)


def test_batches_can_be_channels_last() -> None:
    image, _ = Bank([volume(8, 8, channels=3)]).gather([Draw(0, (0, 0))] * 2, (4, 4), torch.channels_last)
    assert image.is_contiguous(memory_format=torch.channels_last)


def test_a_batch_does_not_share_memory_with_the_scans() -> None:
    item = volume(4, 4)
    before = item.image.copy()
    image, _ = Bank([item]).gather([Draw(0, (0, 0))], (4, 4))
    image.zero_()
    assert np.array_equal(item.image, before)


def test_scans_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(DataError, match="no scans"):
        Bank([])
    with pytest.raises(DataError, match=r"\(2, 4, 4\) does not go with"):
        Bank([volume(4, 4), volume(4, 4, channels=2)])
    with pytest.raises(DataError, match="has no label"):
        Bank([volume(4, 4), volume(4, 4, labeled=False)])
