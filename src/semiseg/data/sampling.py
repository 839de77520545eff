"""Which case and which crop: a pure function of (seed, step, slot), so that resuming is free and workers change nothing."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from semiseg.case import Array
from semiseg.data.labels import Box

Symmetry = Literal["none", "flips", "in_plane", "in_plane_released"]
"""How a crop may be turned and mirrored.

- none: as it is.
- flips: each axis mirrored or not.
- in_plane: the 8 symmetries of the square, in the first two axes.
- in_plane_released: what the field's code does to LA and ACDC: a quarter turn, then always one flip. That leaves only the 4
  reflections, so a scan is never seen as it is, which is how it is tested.
"""


@dataclass(frozen=True)
class Draw:
    """One patch: crop, then turn, then flip.

    Attributes:
        case: index into the bank.
        start: first voxel of the crop along each axis; negative where a scan is smaller than the crop (the rest is zeros).
        turns: quarter turns from the first to the second axis, 0..3.
        flips: axes that are mirrored after the turn.
    """

    case: int
    start: tuple[int, ...]
    turns: int = 0
    flips: tuple[int, ...] = ()


def generator(seed: int, stream: str, *numbers: int) -> np.random.Generator:
    """Random numbers of their own for each (seed, name of the stream, numbers), all non-negative."""
    return np.random.default_rng([seed, zlib.crc32(stream.encode()), *numbers])


def case_index(seed: int, stream: str, sample: int, cases: int) -> int:
    """Which case the `sample`-th patch of a stream is from: every case once, in random order, then again in another order."""
    return int(_permutation(seed, stream, sample // cases, cases)[sample % cases])


def draw(
    seed: int,
    stream: str,
    step: int,
    slot: int,
    slots: int,
    shapes: Sequence[tuple[int, ...]],
    patch: tuple[int, ...],
    symmetry: Symmetry = "none",
    symmetry_probability: float = 1.0,
    boxes: Sequence[Box | None] | None = None,
) -> Draw:
    """The patch in `slot` of the batch at `step`.

    Every valid start of the crop is equally likely. A scan that is smaller than the patch is centred in it, zeros on both sides, as the
    sliding window pads it for prediction. (The field's code pads three voxels more a side, and never draws the last valid start.)

    Args:
        seed: of the run.
        stream: keeps labelled and unlabelled patches independent.
        step: over all stages.
        slot: 0..slots-1, the place in the batch.
        slots: patches a batch of this stream.
        shapes: (*S) of every scan of the bank.
        patch: (*P).
        symmetry: how the crop may be turned.
        symmetry_probability: how often it is.
        boxes: of every scan, where its labelled voxels lie if it has others: the middle of the crop shall meet them. None: anywhere.
    """
    random = generator(seed, stream, step, slot)
    case = case_index(seed, stream, step * slots + slot, len(shapes))
    turned = random.random() < symmetry_probability
    turns, flips = draw_symmetry(random, symmetry, len(patch)) if turned else (0, ())
    box = boxes[case] if boxes is not None else None
    sides = zip(shapes[case], crop_shape(patch, turns), box or [None] * len(patch), strict=True)
    return Draw(case, tuple(draw_start(random, side, size, extent) for side, size, extent in sides), turns, flips)


def draw_symmetry(random: np.random.Generator, symmetry: Symmetry, dimensions: int) -> tuple[int, tuple[int, ...]]:
    """(quarter turns, flipped axes), every outcome equally likely."""
    if symmetry == "none":
        return 0, ()
    if symmetry == "flips":
        return 0, tuple(axis for axis in range(dimensions) if random.random() < 0.5)
    turns, choice = int(random.integers(4)), int(random.integers(2))
    if symmetry == "in_plane_released":
        return turns, (choice,)
    return turns, (0,) if choice else ()


def draw_start(random: np.random.Generator, side: int, size: int, extent: tuple[int, int] | None = None) -> int:
    """Where a crop of `size` starts on an axis of `side` voxels.

    With an `extent` (first, past the last), the middle half of the crop meets it; where the scan ends too early for that, the crop does.
    """
    if side < size:
        return -((size - side) // 2)
    lowest, highest = 0, side - size
    if extent is not None:
        reach = size - size // 4  # past the last voxel of the middle half, which begins at size // 4
        lowest, highest = (min(max(start, lowest), highest) for start in (extent[0] - reach + 1, extent[1] - 1 - size // 4))
    return int(random.integers(lowest, highest + 1))


def crop_shape(patch: tuple[int, ...], turns: int) -> tuple[int, ...]:
    """What to cut so that a quarter turn makes it `patch`: the first two sides swapped."""
    return (patch[1], patch[0], *patch[2:]) if turns % 2 else patch


@lru_cache(maxsize=64)
def _permutation(seed: int, stream: str, epoch: int, cases: int) -> Array:
    return generator(seed, f"order of {stream}", epoch).permutation(cases)
