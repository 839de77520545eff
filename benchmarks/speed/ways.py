"""What makes a CML step of published size faster on a GPU, to be decided in one minute with one: cuDNN's timing, compiling, CUDA graphs.

python benchmarks/speed/ways.py DATA --device cuda
python benchmarks/speed/ways.py DATA --device cpu --tiny        a rehearsal: small patches, says nothing about a GPU
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import scans
import torch
from step import Ours
from timing import seconds
from torch import nn

from semiseg.case import Batch
from semiseg.devices import DEVICES, pick_device
from semiseg.training.cost import peak_memory
from semiseg.training.job import Job

WARM, COUNTED = 3, 10
"""Steps before it counts (they compile, time and allocate), and steps that count."""
FULL, TINY = {"LA": (112, 112, 80), "ACDC": (256, 256)}, {"LA": (32, 32, 16), "ACDC": (32, 32)}
Prepare = Callable[[nn.Module], object]


def compiled(mode: str) -> Prepare:
    """Compile all networks of a method, views and teachers alike."""
    return lambda method: [child.compile(mode=mode) for child in method.children()]


WAYS: dict[str, tuple[Prepare, bool, str]] = {
    "as it comes, without cuDNN's timing": (lambda _: None, False, "auto"),
    "as it is trained": (lambda _: None, True, "auto"),
    "in float32 (TF32 in convolutions)": (lambda _: None, True, "32-true"),
    "compiled": (compiled("default"), True, "auto"),
    "compiled, as CUDA graphs": (compiled("reduce-overhead"), True, "auto"),
}
"""What is done to the method; whether cuDNN times its ways; precision."""


def measured(ours: Ours, batch: Batch) -> tuple[float, float, float]:
    """Median seconds of a step, seconds of the first one, and the loss of the last. Reading a loss waits for the device."""
    times = [seconds(lambda number=number: ours.step(batch, number)) for number in range(WARM + COUNTED)]
    return statistics.median(time for time, _ in times[WARM:]), times[0][0], times[-1][1]


def row(name: str, way: str, job_of: Callable[..., Job], device: torch.device) -> str:
    """One line of the table; what went wrong instead, where it did: the other ways are tried all the same."""
    prepare, timed, precision = WAYS[way]
    job = job_of(training={"precision": precision})
    try:
        torch._dynamo.reset()
        ours = Ours(job, device, timed)
        prepare(ours.method)
        step, first, loss = measured(ours, scans.loader(job, device)(0))
    except RuntimeError as error:
        return f"| {name} | {way} | {type(error).__name__}: {str(error).splitlines()[0][:120]} | | | |"
    memory = peak_memory(device)
    return f"| {name} | {way} | {step * 1e3:.1f} ms | {first:.1f} s | {loss:.4f} | {'' if memory is None else f'{memory / 2**30:.1f} GB'} |"


def main() -> None:
    """Print the table, row by row as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--device", choices=DEVICES, default="cuda")
    parser.add_argument("--ways", nargs="+", choices=[*WAYS], default=[*WAYS])
    parser.add_argument("--tiny", action="store_true")
    given = parser.parse_args()
    device, patches = pick_device(given.device), TINY if given.tiny else FULL
    print("| data | way | step | first step | loss | peak memory so far |\n|---|---|---:|---:|---:|---:|")
    for name, make in (("LA", scans.la_job), ("ACDC", scans.acdc_job)):
        for way in given.ways:
            print(row(name, way, partial(make, given.data, patches[name]), device), flush=True)


if __name__ == "__main__":
    main()
