"""The connected components of label maps on an accelerator, in a fixed number of parallel rounds, so that nothing waits for the host."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

ROUNDS = 12
"""Real atria, with noise or without, are done after 4, random labels after 5; one path that winds through a whole patch of 112 x 112 x 80,
250,000 voxels long, after 9."""
EXACT = 2**24
"""Whole numbers up to here are exact in float32."""
MAX_POOL = {2: F.max_pool2d, 3: F.max_pool3d}


def keep_largest(labels: Tensor, classes: int, rounds: int = ROUNDS) -> Tensor:
    """Each class's largest component in each sample, the rest 0: labels (B, *S) int64 in 0..classes-1, same shape out, in 2D or 3D.

    What `components.keep_largest` gives: neighbours touch by a face, an edge or a corner; a tie goes to the component that comes first.
    A component that winds on for longer than `rounds` can follow would count as several.
    """
    links = _links(labels, classes, rounds)
    sizes = torch.zeros_like(links).scatter_add_(0, links, torch.ones_like(links))
    rank = (sizes[links] * links.numel() - links).view(labels.shape)  # of a component, no two alike; the first of equals is highest
    kept = torch.zeros_like(labels)
    for index in range(1, classes):
        own = torch.where(labels == index, rank, 0)
        best = own.flatten(1).amax(1).view(-1, *[1] * (labels.ndim - 1))
        kept = kept.masked_fill((own == best) & (own > 0), index)
    return kept


def _links(labels: Tensor, classes: int, rounds: int) -> Tensor:
    """The number of its component's first voxel for each voxel (B * voxels); background voxels have their own.

    In each round a voxel, and the one that it is linked to, are linked to the lowest number among its neighbours' links; then all links
    are followed twice (hooking and jumping: Shiloach and Vishkin, Journal of Algorithms 1982).
    """
    own = torch.arange(labels.numel(), device=labels.device)
    links = own
    for _ in range(rounds):
        lowest = _lowest_around(links.view(labels.shape), labels, classes).flatten()
        hooked = torch.where(lowest < links, links, own)  # who has nothing to say writes to himself: few writes meet
        links = torch.minimum(links, lowest).scatter_reduce(0, hooked, lowest, "amin")
        links = links[links]
        links = links[links]
    return links


def _lowest_around(links: Tensor, labels: Tensor, classes: int) -> Tensor:
    """The lowest link among a voxel and its neighbours of the same class; of background voxels their own. (B, *S)"""
    exact = torch.float32 if links.numel() <= EXACT else torch.float64
    pool, lowest = MAX_POOL[labels.ndim - 1], links
    for index in range(1, classes):
        inside = labels == index
        highest = pool(torch.where(inside, -links, -links.numel()).to(exact).unsqueeze(1), 3, stride=1, padding=1).squeeze(1)
        lowest = torch.where(inside, -highest.to(links.dtype), lowest)
    return lowest
