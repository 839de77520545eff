"""One trained method and how it is applied: what a prediction is made of, alone or averaged with others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from semiseg.config import Run
from semiseg.devices import Precision
from semiseg.inference.training_scans import UNKNOWN, TrainingScans
from semiseg.methods import Method


@dataclass(frozen=True, eq=False)
class Member:
    """The settings of its run, its networks, the device and precision that it computes on and in, and what it was trained on."""

    run: Run
    method: Method[Any]
    device: torch.device
    precision: Precision
    trained_on: TrainingScans = UNKNOWN
