"""CutMix: one box for the whole batch; what is inside comes from one image, what is outside from another."""

from __future__ import annotations

import torch
from torch import Tensor

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
    mixed[(..., *box)] = inside[(..., *box)]
    return mixed
