"""Grey values as a network sees them: clipped, and brought to a common scale, without a second copy of the scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from semiseg.case import Array
from semiseg.errors import DataError, SettingsError

CHUNK = 2**16
"""Voxels that are held as float64 at a time."""


def clip(image: Array, limits: tuple[float, float]) -> None:
    """Values of `image` beyond `limits` become the limit, in place."""
    np.clip(image, np.float32(limits[0]), np.float32(limits[1]), out=image)


def normalize_by_scan(image: Array) -> None:
    """Mean 0 and deviation 1 of each channel of `image` (C, *S) float32, in place.

    Raises:
        DataError: all voxels of a channel have one value.
    """
    for channel in image:
        mean = channel.mean(dtype=np.float64)
        deviation = _deviation(channel, mean)
        if deviation == 0:
            raise DataError(
                f"all voxels have the value {channel.flat[0]:g}, so the scan cannot be normalised. Leave it out, or set normalize: none."
            )
        _scale(channel, float(mean), deviation)


def normalize_by_numbers(image: Array, mean: Sequence[float], deviation: Sequence[float]) -> None:
    """(value - mean) / deviation of each channel of `image` (C, *S) float32, in place: scanners whose values mean the same, as CT.

    Raises:
        SettingsError: neither one number for all channels, nor one for each.
    """
    if not len(mean) == len(deviation) or len(mean) not in (1, len(image)):
        raise SettingsError(
            f"preparation.mean has {len(mean)} numbers and preparation.std {len(deviation)}; the scan has {len(image)} modalities. "
            "Give one number for all, or one for each."
        )
    for k, channel in enumerate(image):
        _scale(channel, mean[k % len(mean)], deviation[k % len(mean)])


def _scale(channel: Array, mean: float, deviation: float) -> None:
    channel -= np.float32(mean)
    channel /= np.float32(deviation)


def _deviation(channel: Array, mean: float) -> float:
    """The standard deviation in float64; numpy's own would hold the whole channel in it."""
    total = 0.0
    pieces: Any = np.nditer(channel, flags=["external_loop", "buffered"], op_dtypes=np.float64, casting="same_kind", buffersize=CHUNK)
    for piece in pieces:
        total += float(np.square(piece - mean).sum())
    return float(np.sqrt(total / channel.size))
