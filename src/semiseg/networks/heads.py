"""Small heads on the features of single voxels: what SS-Net compares classes with."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

SIZE = 32
"""Length of a projected feature (SS-Net)."""


class ContrastHeads(nn.Module):
    """Projector, predictor, and for each foreground class two selectors that say how much a feature counts; all on points (N, channels).

    The authors' code makes selectors for the background as well and never uses them.

    Args:
        channels: of the features that are projected.
        classes: K, background included.

    Source: Wu et al., MICCAI 2022 (SS-Net).
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.projector = perceptron(channels, SIZE, nn.ReLU)
        self.predictor = perceptron(SIZE, SIZE, nn.ReLU)
        self.feature_selectors = nn.ModuleList(perceptron(SIZE, 1, _leaky) for _ in range(1, classes))
        self.memory_selectors = nn.ModuleList(perceptron(SIZE, 1, _leaky) for _ in range(1, classes))

    def forward(self, points: Tensor) -> Tensor:
        """Features (N, channels) -> what is compared with the memory (N, 32)."""
        predicted: Tensor = self.predictor(self.projector(points))
        return predicted


def perceptron(inputs: int, outputs: int, activation: Callable[[], nn.Module]) -> nn.Sequential:
    """(N, inputs) -> (N, outputs) through one normalised hidden layer of 32."""
    return nn.Sequential(nn.Linear(inputs, SIZE), nn.BatchNorm1d(SIZE), activation(), nn.Linear(SIZE, outputs))


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.2)
