"""CutMix: one box for the whole batch; what is inside comes from one image, what is outside from another."""

from __future__ import annotations

from types import EllipsisType

import torch
from torch import Tensor

from semiseg.errors import SettingsError

Box = tuple[slice, ...]
"""One slice a spatial axis."""


def random_box(generator: torch.Generator, spatial: tuple[int, ...], ratio: float, reach_border: bool = True) -> Box:
    """A box of side floor(side * ratio) along each axis, its corner uniform over all places where it fits.

    Args:
        generator: on the CPU, so that drawing makes no device wait.
        reach_border: False leaves out the last place, as the released BCP and CML code does.

    Source: Yun et al., ICCV 2019; box as in Bai et al., CVPR 2023 (BCP), section 3.
    """
    sides = [int(side * ratio) for side in spatial]
    places = [max(side - box + reach_border, 1) for side, box in zip(spatial, sides, strict=True)]
    corners = [int(torch.randint(count, (1,), generator=generator)) for count in places]
    return tuple(slice(corner, corner + box) for corner, box in zip(corners, sides, strict=True))


def mix(outside: Tensor, inside: Tensor, box: Box) -> Tensor:
    """A copy of `outside` with the box taken from `inside`; the last axes are spatial: (..., *S)."""
    mixed = outside.clone()
    place: tuple[EllipsisType | slice, ...] = (..., *box)
    mixed[place] = inside[place]
    return mixed


def halves(batch: Tensor) -> tuple[Tensor, Tensor]:
    """The first and the second half of a batch (B, ...), each (B / 2, ...), to be mixed with each other.

    Raises:
        SettingsError: B is odd or 0.
    """
    if len(batch) % 2 or not len(batch):
        raise SettingsError(f"pairs of scans are mixed, and a batch of {len(batch)} cannot be halved. Use an even batch.")
    first, second = batch.chunk(2)
    return first, second
