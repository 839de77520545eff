"""Virtual adversarial training: the small change of an image that changes the prediction most, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

Distance = Callable[[Tensor, Tensor], Tensor]
"""Between probabilities (B, K, *S) and a target of the same shape; a scalar."""
Predict = Callable[[Tensor], Tensor]
"""Image (B, C, *S) to logits (B, K, *S)."""


def virtual_adversarial_loss(
    predict: Predict, image: Tensor, target: Tensor, distance: Distance, radius: float, probe: float = 10.0
) -> Tensor:
    """How far the prediction moves from `target` when the image moves by `radius` in the direction that moves it most.

    Three passes, without the caller's own: two to find the direction (forward and back), one that is learnt from. Call it within
    `frozen_statistics`, since perturbed images are not what the network will see.

    Args:
        predict: image (B, C, *S) -> logits (B, K, *S).
        target: probabilities for the image as it is, without gradient. (B, K, *S)
        radius: L2 norm of the change of each sample over all of its voxels, in intensities.

    Source: Miyato et al., TPAMI 2018, with one power iteration.
    """
    change = radius * adversarial_direction(predict, image, target, distance, probe)
    return distance(predict(image + change).float().softmax(1), target)


def adversarial_direction(predict: Predict, image: Tensor, target: Tensor, distance: Distance, probe: float = 10.0) -> Tensor:
    """A unit change of each sample: the gradient of the distance where the image is `probe` away in a random direction. (B, C, *S)

    No gradient reaches the network's parameters.
    """
    random = unit_norm(torch.rand_like(image) - 0.5).requires_grad_()
    moved = distance(predict(image + probe * random).float().softmax(1), target)
    gradient: Tensor = torch.autograd.grad(moved, random)[0]
    return unit_norm(gradient)


def unit_norm(x: Tensor) -> Tensor:
    """Each sample of (B, ...) over its L2 norm; a sample of zeros stays zero."""
    norm: Tensor = torch.linalg.vector_norm(x, dim=tuple(range(1, x.ndim)), keepdim=True)
    return x / norm.clamp_min(torch.finfo(x.dtype).tiny)


@contextmanager
def frozen_statistics(network: nn.Module) -> Iterator[None]:
    """Within it, batch normalization in train mode uses the batch's statistics and leaves the running ones alone."""
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm) and layer.track_running_stats]
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True
