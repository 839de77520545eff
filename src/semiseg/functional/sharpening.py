"""Soft pseudo-labels: probabilities driven towards 0 and 1."""

from __future__ import annotations

from torch import Tensor


def sharpen(probabilities: Tensor, temperature: float) -> Tensor:
    """p^(1/T) / (p^(1/T) + (1 - p)^(1/T)) of each value on its own, so that over three and more classes the results do not add up to 1.

    One half stays, smaller values fall, larger ones rise; with T = 1 nothing changes. Any shape, the same out.

    Source: Wu et al., MICCAI 2021 (MC-Net), with T = 0.1.
    """
    power = 1 / temperature
    raised = probabilities**power
    return raised / (raised + (1 - probabilities) ** power)
