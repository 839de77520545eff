"""Changes to a batch of patches on its device: all randomness is drawn first (`make_params`), then applied (`apply`)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from semiseg.case import Array
from semiseg.data.sampling import Symmetry, generator
from semiseg.data.warp import to_device, warp


class Augmentation(BaseModel):
    """How patches are varied. Everything but the symmetry is off by default.

    Each number is the end of a uniform range, drawn for each patch. To come near to the field's ACDC code:
    `symmetry: in_plane_released, symmetry_probability: 0.5, rotate: 20, rotate_probability: 0.25`. What differs: there a patch is either
    turned or rotated (a half, a quarter, and a quarter as it is), here both are drawn on their own; there angles are whole degrees from
    -20 to 19, here any; there slices are rotated before they are resized, by nearest neighbour, here after, the image linearly.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    symmetry: Symmetry = Field(
        "none", description="quarter turns and mirrors: none, flips, in_plane (all 8), in_plane_released (the 4 mirrored ones)"
    )
    symmetry_probability: float = Field(1.0, ge=0, le=1, description="how often a patch takes part in the symmetry")
    rotate: float = Field(0.0, ge=0, le=180, description="degrees, in the plane of the first two axes")
    rotate_probability: float = Field(1.0, ge=0, le=1, description="how often a patch is rotated")
    scale: float = Field(0.0, ge=0, lt=1, description="0.15: between 0.85 and 1.15 times as large")
    contrast: float = Field(0.0, ge=0, lt=1, description="0.2: differences from the patch's mean are multiplied by 0.8 to 1.2")
    brightness: float = Field(0.0, ge=0, description="added, in standard deviations of the patch")
    gamma: float = Field(0.0, ge=0, description="0.3: exponents from exp(-0.3) to exp(0.3), on the patch brought to 0..1 and back")
    noise: float = Field(0.0, ge=0, description="Gaussian, of up to so many standard deviations of the patch")


@dataclass(frozen=True, eq=False)
class Params:
    """What happens to each patch of a batch; every array is (B,) float32, on the host."""

    angle: Array
    """Radians, from the first axis to the second."""
    scale: Array
    contrast: Array
    brightness: Array
    gamma: Array
    noise: Array
    noise_seed: int


def make_params(settings: Augmentation, seed: int, step: int, stream: str, count: int) -> Params:
    """Draw the changes for the batch at `step`: a pure function of its arguments."""
    random = generator(seed, f"augmentation of {stream}", step)

    def around(center: float, reach: float) -> Array:
        return random.uniform(center - reach, center + reach, count).astype(np.float32)

    rotated = random.random(count) < settings.rotate_probability
    return Params(
        angle=around(0, math.radians(settings.rotate)) * rotated,
        scale=around(1, settings.scale),
        contrast=around(1, settings.contrast),
        brightness=around(0, settings.brightness),
        gamma=np.exp(around(0, settings.gamma)),
        noise=random.uniform(0, settings.noise, count).astype(np.float32),
        noise_seed=int(random.integers(2**62)),
    )


def apply(params: Params, image: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """Apply the changes on the device of `image`, without waiting for it.

    What comes into a patch from outside is 0, and background. A change that is off for the whole batch costs nothing.

    Args:
        params: of as many patches as the batch has.
        image: (B, C, *S) float.
        label: (B, *S) integer, or None.

    Returns:
        image and label of the same shapes and types; the arguments are left as they were.
    """
    moved = np.flatnonzero((params.angle != 0) | (params.scale != 1))
    if moved.size:
        rows = to_device(moved, image)
        some = None if label is None else label.index_select(0, rows)
        warped, warped_label = warp(image.index_select(0, rows), some, params.angle[moved], params.scale[moved])
        image = _with_rows(image, rows, warped)
        if label is not None and warped_label is not None:
            label = _with_rows(label, rows, warped_label)
    return _change_intensities(params, image), label


def _with_rows(batch: Tensor, rows: Tensor, part: Tensor) -> Tensor:
    """The batch with some of its rows replaced, in its own layout."""
    return torch.empty_like(batch).copy_(part) if len(part) == len(batch) else batch.index_copy(0, rows, part)


def _change_intensities(params: Params, image: Tensor) -> Tensor:
    axes = tuple(range(2, image.ndim))
    if (params.contrast != 1).any() or params.brightness.any():
        mean = image.mean(axes, keepdim=True)
        from_mean = image - mean
        image = torch.addcmul(mean + _each(params.brightness, image) * _deviation(from_mean), from_mean, _each(params.contrast, image))
    if (params.gamma != 1).any():
        low, high = image.amin(axes, keepdim=True), image.amax(axes, keepdim=True)
        extent = (high - low).clamp_min(torch.finfo(image.dtype).tiny)
        image = torch.addcmul(low, ((image - low) / extent).clamp_(0, 1).pow_(_each(params.gamma, image)), extent)
    if params.noise.any():
        random = torch.Generator(image.device).manual_seed(params.noise_seed)
        noise = torch.randn(image.shape, generator=random, device=image.device, dtype=image.dtype)
        image = torch.addcmul(image, noise, _each(params.noise, image) * _deviation(image - image.mean(axes, keepdim=True)))
    return image


def _deviation(from_mean: Tensor) -> Tensor:
    """The standard deviation of each channel, (B, C, 1, ...), from differences from the mean: on a CPU ten times as fast as `std`."""
    voxels = from_mean[0, 0].numel()
    return ((from_mean * from_mean).sum(tuple(range(2, from_mean.ndim)), keepdim=True) / max(voxels - 1, 1)).sqrt()


def _each(values: Array, image: Tensor) -> Tensor:
    """One number a patch, to be multiplied with a batch. (B, 1, 1, ...)"""
    return to_device(values, image).reshape(-1, *[1] * (image.ndim - 1))
