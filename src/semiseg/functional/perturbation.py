"""Changes to the intensities of a batch, drawn and applied on its device."""

from __future__ import annotations

import torch
from torch import Tensor


def clipped_noise(image: Tensor, deviation: float) -> Tensor:
    """`image` plus Gaussian noise of that standard deviation, cut off at twice it. (B, C, *S), in intensities of the prepared scans.

    Source: the teacher's input in UA-MT and Mean Teacher for segmentation, with a deviation of 0.1.
    """
    limit = 2 * deviation
    return image + (torch.randn_like(image) * deviation).clamp(-limit, limit)


def jitter_intensity(image: Tensor, strength: float) -> Tensor:
    """Brightness and contrast of each image times factors uniform in [1 - strength, 1 + strength]; (B, C, *S), strength from 0 to 1.

    Each channel is brought to 0..1 by its own range, changed, cut off at 0 and 1, and brought back, so that any intensity scale will do.
    On images that fill 0..1 it is the colour jitter of SSL4MIS' FixMatch, but for cutting off between the two changes.
    """
    axes = tuple(range(2, image.ndim))
    low, high = image.amin(axes, keepdim=True), image.amax(axes, keepdim=True)
    extent = (high - low).clamp_min(torch.finfo(image.dtype).tiny)
    unit = (image - low) / extent
    mean = unit.mean(axes, keepdim=True)
    brightness, contrast = (image.new_empty(len(image), *[1] * (image.ndim - 1)).uniform_(1 - strength, 1 + strength) for _ in range(2))
    return (brightness * (mean + contrast * (unit - mean))).clamp(0, 1) * extent + low


def feature_noise(features: Tensor, extent: float = 0.3) -> Tensor:
    """Features (B, C, *S) times 1 + n, n uniform within +-`extent`, the same for the whole batch (URPC's 2D code)."""
    return features * (1 + torch.empty_like(features[:1]).uniform_(-extent, extent))


def drop_attended(features: Tensor, least: float = 0.7, most: float = 0.9) -> Tensor:
    """Features (B, C, *S) with all channels put to 0 where their mean reaches u times its maximum over the sample.

    u is uniform in [least, most], drawn once a call. Source: the feature drop of URPC's 2D code.
    """
    mean = features.mean(1, keepdim=True)  # (B, 1, *S)
    share = torch.empty_like(mean.flatten()[:1]).uniform_(least, most)
    limit = share * mean.amax(tuple(range(1, mean.ndim)), keepdim=True)
    return features * (mean < limit)
