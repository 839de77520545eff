"""A CML training step as the released script takes it: eager float32, contiguous, components by scikit-image on the host."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from plain_components import keep_largest
from torch import Tensor, nn
from torch.optim import Optimizer


def box_mask(image: Tensor, box: Sequence[slice]) -> Tensor:
    """(*S) int64 for images (B, C, *S): 0 in the box, 1 outside."""
    mask = torch.ones(image.shape[2:], dtype=torch.int64, device=image.device)
    mask[tuple(box)] = 0
    return mask


def mixed(first: Tensor, second: Tensor, mask: Tensor) -> Tensor:
    """The first outside of the box, the second inside."""
    return first * mask + second * (1 - mask)


def dice_loss(logits: Tensor, label: Tensor) -> Tensor:
    """Mean over samples and classes, one class at a time."""
    probabilities = torch.softmax(logits, 1)
    classes = logits.shape[1]
    total = logits.new_zeros(())
    for k in range(classes):
        p, y = probabilities[:, k].flatten(1), (label == k).float().flatten(1)
        total = total + (1 - (2 * (p * y).sum(1) + 1e-5) / (p.sum(1) + y.sum(1) + 1e-5)).mean()
    return total / classes


def supervised_loss(logits: Tensor, label: Tensor) -> Tensor:
    """Half of cross entropy plus Dice."""
    return (F.cross_entropy(logits, label) + dice_loss(logits, label)) / 2


def feature_loss(features: Tensor, other: Tensor) -> Tensor:
    """How alike two views see; both normalised, then compared."""
    similarity = F.cosine_similarity(F.normalize(features, dim=1), F.normalize(other.detach(), dim=1), dim=1, eps=1e-6)
    return 1 + similarity.mean()


def pseudo_label(logits: Tensor) -> Tensor:
    """Hard labels without all but the largest component of each class."""
    hard = (torch.softmax(logits, 1)[:, 1] >= 0.5).long() if logits.shape[1] == 2 else torch.softmax(logits, 1).argmax(1)
    return torch.from_numpy(np.stack([keep_largest(sample, logits.shape[1]) for sample in hard.cpu().numpy()])).to(hard.device)


def losses(
    network: nn.Module, image: Tensor, label: Tensor, unlabeled: Tensor, boxes: Sequence[Sequence[slice]], weights: tuple[float, float]
) -> Tensor:
    """The loss of a self-training step: labelled and unlabelled batches halved and mixed, each view taught by both.

    Args:
        network: image -> logits of both views, features of both views.
        boxes: for the labelled and for the unlabelled pairs.
        weights: of the unlabelled loss and of the feature losses.
    """
    return labeled_losses(network, image, label, boxes[0], weights[1]) + unlabeled_losses(network, unlabeled, boxes[1], weights)


def labeled_losses(network: nn.Module, image: Tensor, label: Tensor, box: Sequence[slice], weight: float) -> Tensor:
    """The loss of a pre-training step; `weight` of the feature losses."""
    half, mask = len(image) // 2, box_mask(image, box)
    first, second, features1, features2 = network(mixed(image[:half], image[half:], mask))
    target = mixed(label[:half], label[half:], mask)
    labeled = supervised_loss(first, target) + supervised_loss(second, target)
    return labeled + weight * (feature_loss(features1, features2) + feature_loss(features2, features1))


def unlabeled_losses(network: nn.Module, unlabeled: Tensor, box: Sequence[slice], weights: tuple[float, float]) -> Tensor:
    """What self-training adds."""
    half, mask = len(unlabeled) // 2, box_mask(unlabeled, box)
    with torch.no_grad():
        raw = network(unlabeled)
        label1, label2 = pseudo_label(raw[0]), pseudo_label(raw[1])
    first, second, features1, features2 = network(mixed(unlabeled[:half], unlabeled[half:], mask))
    pseudo = supervised_loss(first, mixed(label2[:half], label1[half:], mask))
    pseudo = pseudo + supervised_loss(second, mixed(label1[:half], label2[half:], mask))
    return weights[0] * pseudo + weights[1] * (feature_loss(features1, features2) + feature_loss(features2, features1))


def step(optimizer: Optimizer, loss: Tensor) -> float:
    """One update; the loss is read for the log, as the scripts do."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item()
