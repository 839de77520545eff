"""Memory and time of a training step, each in a process of its own: the numbers that semiseg/planning/cost.py is made of. Prints Markdown.

OMP_NUM_THREADS=1 python benchmarks/step_cost.py
"""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import product

import torch
from lightning_fabric import Fabric

from semiseg.case import Batch, Labeled, Unlabeled
from semiseg.config import make_run
from semiseg.devices import channels_last
from semiseg.planning.cost import StepSize, step_memory
from semiseg.training.fit import locate, take_step
from semiseg.training.optimization import make_optimizers
from semiseg.training.trial import peak_of_process

METHODS = ("supervised", "cml")
SIZES = [
    StepSize((32, 48, 32), 4, 8, 3),
    StepSize((32, 48, 32), 4, 16, 3),
    StepSize((48, 64, 48), 4, 8, 3),
    StepSize((64, 64, 64), 4, 8, 3),
    StepSize((64, 64, 64), 2, 16, 2),
    StepSize((64, 64, 64), 4, 8, 8),
    StepSize((128, 128), 8, 8, 2, kind="unet"),
    StepSize((128, 128), 4, 16, 2, kind="unet"),
    StepSize((256, 256), 4, 16, 2, kind="unet"),
    StepSize((256, 256), 8, 16, 2, kind="unet"),
]


def measured(method: str, size: StepSize) -> tuple[int, float]:
    """Peak bytes of this process, and seconds of the second of two steps of the last stage, on random voxels in float32."""
    run = make_run(
        {
            "method": method,
            "data": {"channels": size.channels, "classes": [f"class_{k}" for k in range(1, size.classes)]},
            "network": {"kind": size.kind, "width": size.width},
            "training": {"patch": size.patch, "steps": 100, "precision": "32-true"},
        }
    )
    fabric, layout = Fabric(accelerator="cpu", devices=1, precision="32-true"), channels_last(size.patch)
    network = run.build().to(memory_format=layout).train()  # type: ignore[call-overload]
    optimizers, seconds = make_optimizers(network, run.training), 0.0
    image = torch.randn(size.batch, size.channels, *size.patch).to(memory_format=layout)
    unlabeled = torch.randn_like(image) if network.uses_unlabeled else image[:0]
    batch = Batch(Labeled(image, (image[:, 0] > 0.5).long()), Unlabeled(unlabeled))
    for overall in (98, 99):
        step, began = locate(network.stages(100), overall, 0), time.perf_counter()
        take_step(fabric, network, optimizers, batch, step)
        seconds = time.perf_counter() - began
    return peak_of_process() or 0, seconds


def main() -> None:
    """Measure all sizes and print the table."""
    print("| method | patch | batch | width | classes | peak MB | model MB | s a step |\n|---|---|---|---|---|---|---|---|")
    for method, size in product(METHODS, SIZES):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            memory, seconds = pool.submit(measured, method, size).result()
        sides, model = " x ".join(map(str, size.patch)), step_memory(size, method != "supervised") / 2**20
        cells = [method, sides, size.batch, size.width, size.classes, f"{memory / 2**20:.0f}", f"{model:.0f}", f"{seconds:.2f}"]
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
