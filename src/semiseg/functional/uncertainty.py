"""How unsure a network is, voxel by voxel: the entropy of what it says, once or on average."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from semiseg.functional.schedules import sigmoid_ramp

EPSILON = 1e-6
"""Added inside the logarithm, so that a probability of 0 costs nothing (UA-MT's and SSL4MIS' value)."""


def entropy(probabilities: Tensor) -> Tensor:
    """-sum_c p_c ln(p_c + 1e-6) in nats, from 0 to ln K: (B, K, *S) -> (B, *S)."""
    return -(probabilities * (probabilities + EPSILON).log()).sum(1)


def mean_softmax(predict: Callable[[], Tensor], passes: int) -> Tensor:
    """The mean of `passes` stochastic predictions as probabilities; `predict()` gives logits (B, K, *S) and differs from call to call.

    Source: Monte Carlo dropout (Gal and Ghahramani, ICML 2016).
    """
    total = predict().float().softmax(1)
    for _ in range(passes - 1):
        total = total + predict().float().softmax(1)
    return total / passes


def entropy_threshold(step: int, steps: int, classes: int) -> float:
    """(3/4 + r/4) ln K in nats, r the sigmoid ramp over all steps: voxels above it are too unsure to learn from (UA-MT, section 2.2)."""
    return (0.75 + 0.25 * sigmoid_ramp(step, steps)) * math.log(classes)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """The mean of `values` where `mask` is true, and 0 where it is true nowhere; shapes alike."""
    weights = mask.to(values.dtype)
    return (values * weights).sum() / weights.sum().clamp_min(torch.finfo(values.dtype).tiny)
