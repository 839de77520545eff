"""What a training step takes in memory and time, out of a few measured numbers; `semiseg train --dry-run` measures the real one.

Measured on a CPU in float32 with `benchmarks/step_cost.py` (V-Net in 3D, U-Net in 2D; supervised and CML). The numbers are upper ends:
a plan that is too careful costs a little context, one that is not costs the run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch

from semiseg.networks import UNet, VNet
from semiseg.planning.machine import Machine

PROCESS = 500 * 2**20
"""Bytes of a training on a CPU beside its step (measured: 390 MB before the first patch, and scans, log and tables); a CUDA context takes
about as much beside the allocator."""
BYTES_A_VOXEL = {2: 115.0, 3: 100.0}
"""Bytes that a voxel of a patch holds for the backward pass, for each channel of the first level (measured: 108 to 112, 59 to 105)."""
BYTES_A_CLASS = 12.0
"""And for each class (measured: 8 to 10)."""
BYTES_A_PARAMETER = {False: 16, True: 40}
"""Of one network, with its gradient and AdamW's two moments (4 bytes each); for CML two of them and their moving averages."""
SECONDS_A_VOXEL = {False: 2.6e-6, True: 3.9e-6}
"""Of a step, for each voxel of its batch at width 8, on one core; for the supervised control, and for CML. docs/benchmarks/hippocampus.md:
0.52 s for 4 patches of 32 x 48 x 32, 1.53 s for 8."""
WIDTH_POWER = 1.5
"""How time grows with the width (measured from 8 to 16: 2.4 to 4 times)."""
CORES_POWER = 0.8
"""How speed grows with cores."""


@dataclass(frozen=True)
class StepSize:
    """What decides the cost of a step: `batch` is that of labelled or of unlabelled patches, which are as many."""

    patch: tuple[int, ...]
    batch: int
    width: int
    classes: int
    channels: int = 1
    kind: str = "vnet"

    def voxels(self, unlabeled: bool = True) -> int:
        """Of all patches of a step of CML, or of the supervised control."""
        return (1 + unlabeled) * self.batch * math.prod(self.patch)


def step_memory(size: StepSize, unlabeled: bool = True) -> int:
    """Bytes at the peak of a step of CML, or of the supervised control, the process included."""
    activations = size.voxels(unlabeled) * (BYTES_A_VOXEL[len(size.patch)] * size.width + BYTES_A_CLASS * size.classes)
    weights = parameters(size.kind, len(size.patch), size.channels, size.classes, size.width)
    return int(PROCESS + BYTES_A_PARAMETER[unlabeled] * weights + activations)


def step_seconds(size: StepSize, machine: Machine, unlabeled: bool = True) -> float | None:
    """Of a step of CML, or of the supervised control; None on a device whose speed was never measured."""
    if machine.device != "cpu":
        return None
    work = size.voxels(unlabeled) * math.pow(size.width / 8, WIDTH_POWER)
    return SECONDS_A_VOXEL[unlabeled] * work / math.pow(machine.threads, CORES_POWER)


@lru_cache(maxsize=64)
def parameters(kind: str, dimensions: int, channels: int, classes: int, width: int) -> int:
    """Of one network, counted without making it."""
    with torch.device("meta"):
        network = (VNet if kind == "vnet" else UNet)(dimensions, channels, classes, width).network()
    return sum(parameter.numel() for parameter in network.parameters())
