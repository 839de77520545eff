"""What a training step takes in memory and time, out of a few measured numbers; `semiseg train --dry-run` measures the real one.

Measured on a CPU in float32 with `benchmarks/step_cost.py` (V-Net in 3D, U-Net in 2D; supervised and CML). The numbers are upper ends:
a plan that is too careful costs a little context, one that is not costs the run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from semiseg.networks import UNet, VNet
from semiseg.planning.machine import Machine

PROCESS = 450 * 2**20
"""Bytes of a process on a CPU before its first patch (measured: 390 MB); a CUDA context takes about as much beside the allocator."""
BYTES_A_VOXEL = {2: 115.0, 3: 100.0}
"""Bytes that a voxel of a patch holds for the backward pass, for each channel of the first level (measured: 108 to 112, 59 to 105)."""
BYTES_A_CLASS = 12.0
"""And for each class (measured: 8 to 10)."""
BYTES_A_PARAMETER = 40
"""Two subnets with gradients and AdamW's two moments (4 x 4 bytes each), and their moving averages (4 bytes each)."""
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

    @property
    def voxels(self) -> int:
        """Of all patches of a step of CML."""
        return 2 * self.batch * math.prod(self.patch)


def step_memory(size: StepSize, images: int | None = None) -> int:
    """Bytes at the peak of a CML step (or one with `images` patches in its graph), the process included."""
    voxels = size.voxels if images is None else images * math.prod(size.patch)
    activations = voxels * (BYTES_A_VOXEL[len(size.patch)] * size.width + BYTES_A_CLASS * size.classes)
    return int(PROCESS + BYTES_A_PARAMETER * parameters(size) + activations)


def step_seconds(size: StepSize, machine: Machine, unlabeled: bool = True) -> float | None:
    """Of a step of CML, or of the supervised control; None on a device whose speed was never measured."""
    if machine.device != "cpu":
        return None
    voxels = size.voxels if unlabeled else size.voxels // 2
    return SECONDS_A_VOXEL[unlabeled] * voxels * (size.width / 8) ** WIDTH_POWER / machine.threads**CORES_POWER


def parameters(size: StepSize) -> int:
    """Of one network, counted without making it."""
    make = VNet if size.kind == "vnet" else UNet
    with torch.device("meta"):
        network = make(len(size.patch), size.channels, size.classes, size.width).network()
    return sum(parameter.numel() for parameter in network.parameters())
