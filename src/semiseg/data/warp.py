"""Patches turned in the plane of their first two axes and scaled about their centre: plane by plane, then along the third axis."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from semiseg.case import Array


def warp(image: Tensor, label: Tensor | None, angle: Array, scale: Array) -> tuple[Tensor, Tensor | None]:
    """Images by linear interpolation, labels by the nearest voxel; what comes in from outside is 0.

    Turn and scale do not mix the third axis with the others, so that planes are its channels: PyTorch samples those many times as fast as
    volumes on a CPU.

    Args:
        image: (B, C, *S) float.
        label: (B, *S) integer, or None.
        angle: (B,) radians, from the first axis to the second.
        scale: (B,) how many times as large things become.

    Returns:
        image and label of the same shapes and types.
    """
    plane, depth = tuple(image.shape[2:4]), tuple(image.shape[4:])
    grid = F.affine_grid(to_device(_matrix(angle, scale, plane), image), [len(image), 1, *plane], align_corners=False)
    places = [_places(scale, side) for side in depth]
    image = _sampled(image, grid, "bilinear", [to_device(_linear(found), image) for found in places])
    if label is None:
        return image, None
    nearest = [to_device(_nearest(found), image) for found in places]
    return image, _sampled(label[:, None].to(image.dtype), grid, "nearest", nearest)[:, 0].to(label.dtype)


def to_device(values: Array, like: Tensor) -> Tensor:
    """`values` on the device of `like`, by a copy that the host does not wait for."""
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    return tensor.pin_memory().to(like.device, non_blocking=True) if like.device.type == "cuda" else tensor.to(like.device)


def _sampled(image: Tensor, grid: Tensor, mode: str, weights: list[Tensor]) -> Tensor:
    """(B, C, *S), each plane at the places of the grid; before that, the third axis, where there is one, times its weights (B, S, S)."""
    for weight in weights:
        image = torch.bmm(image.flatten(1, -2), weight).view(image.shape).movedim(-1, 2)
    planes = F.grid_sample(image.flatten(1, -3), grid, mode=mode, padding_mode="zeros", align_corners=False).view(image.shape)
    return planes.movedim(2, -1) if weights else planes


def _matrix(angle: Array, scale: Array, sides: tuple[int, ...]) -> Array:
    """Where each voxel of the result is taken from, as `affine_grid` wants it: (B, 2, 3) float32.

    Turned and scaled in voxels, then expressed in `affine_grid`'s coordinates, in which every side runs from -1 to 1 whatever its length,
    and the second axis comes first.
    """
    cosine, sine, (first, second) = np.cos(angle), np.sin(angle), sides
    rows = [[cosine, -sine * first / second, np.zeros_like(angle)], [sine * second / first, cosine, np.zeros_like(angle)]]
    return (np.array(rows) / scale).transpose(2, 0, 1).astype(np.float32)


def _places(scale: Array, side: int) -> Array:
    """Where each voxel along one axis is taken from: (B, side), in voxels."""
    middle = (side - 1) / 2
    return ((np.arange(side) - middle) / scale[:, None] + middle).astype(np.float32)


def _linear(places: Array) -> Array:
    """(B, S) -> (B, S, S): how much of each voxel (first S) goes into each of the result (second S)."""
    shares: Array = np.maximum(1 - np.abs(places[:, None, :] - np.arange(places.shape[1], dtype=np.float32)[:, None]), 0)
    return shares


def _nearest(places: Array) -> Array:
    """(B, S) -> (B, S, S), ones where a voxel is taken; halves go to the even one, as in PyTorch."""
    taken: Array = np.rint(places)[:, None, :] == np.arange(places.shape[1])[:, None]
    return taken.astype(np.float32)
