"""What SS-Net remembers of each class, and how far features are from it."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semiseg.functional.class_samples import best_where, sample_where
from semiseg.networks.heads import SIZE, ContrastHeads


class ClassMemory(nn.Module):
    """Projected features of each foreground class, kept from step to step, with the heads that compare features with them.

    Args:
        channels: of the features.
        classes: K, background included.
        size: features kept of each class.
        points: random features of each class that one step compares, the heads normalizing over those of all classes alike; all if it
            has fewer. 0: all features, over which the heads normalize as they come, as in the authors' code.
        keeps: those with the highest score, or as in the authors' code the lowest.

    Source: Wu et al., MICCAI 2022 (SS-Net).
    """

    memory: Tensor
    remembered: Tensor

    def __init__(self, channels: int, classes: int, size: int, points: int, keeps: Literal["highest", "lowest"]) -> None:
        super().__init__()
        self.classes = classes
        self.size = size
        self.points = points
        self.sign = 1 if keeps == "highest" else -1
        self.heads = ContrastHeads(channels, classes)
        self.register_buffer("memory", torch.zeros(classes - 1, size, SIZE))
        self.register_buffer("remembered", torch.zeros(classes - 1))

    def attraction(self, points: Tensor, classes: Tensor) -> Tensor:
        """How far features (N, width) of each foreground class are from its memory, summed over classes; their classes (N,)."""
        drawn = [sample_where(classes == index, self.points or len(points)) for index in range(self.classes)]
        if self.points:
            compared = self.heads(points[torch.cat([positions for positions, _ in drawn])]).float().chunk(self.classes)
        else:
            every = self.heads(points).float()
            compared = [every[positions] for positions, _ in drawn]
        terms = [self.class_attraction(index, compared[index + 1], drawn[index + 1][1]) for index in range(self.classes - 1)]
        return torch.stack(terms).sum()

    def class_attraction(self, index: int, compared: Tensor, counts: Tensor) -> Tensor:
        """The weighted mean distance of features (P, 32), those that count, to the memory of one foreground class; 0 without either."""
        memory = F.normalize(self.memory[index], dim=1)
        memory_weight = self.heads.memory_selectors[index](memory).float().sigmoid()  # (M, 1)
        direction = (memory_weight * memory).sum(0) / memory_weight.sum()
        weight = self.heads.feature_selectors[index](compared.detach()).float().sigmoid()[:, 0] * counts
        distance = 1 - (F.normalize(compared, dim=1) * direction).sum(1)  # no matrix product: autocast would round it
        mean: Tensor = (weight * distance).sum() / weight.sum().clamp_min(torch.finfo(weight.dtype).tiny)
        return mean * self.remembered[index]

    @torch.no_grad()
    def remember(self, points: Tensor, classes: Tensor) -> None:
        """Replace the memory of each foreground class that is among the classes (N,) of features (N, width)."""
        training = self.heads.projector.training
        self.heads.projector.eval()
        for index in range(self.classes - 1):
            positions, counts = sample_where(classes == index + 1, self.points or len(points))
            projected = self.heads.projector(points[positions]).float()
            scores = self.heads.feature_selectors[index](projected).float()[:, 0]
            kept = projected[best_where(self.sign * scores, counts, self.size)]
            present = counts.any()
            self.memory[index] = torch.where(present, kept, self.memory[index])
            self.remembered[index] = torch.where(present, 1.0, self.remembered[index])
        self.heads.projector.train(training)
