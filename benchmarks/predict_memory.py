"""The memory that predicting a large scan takes: peak resident memory of a process, with a small network and windows side by side.

python benchmarks/predict_memory.py --shape 512 512 800 --classes 2 4
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

GIB = 2**30


def write_scan(path: Path, shape: tuple[int, ...]) -> None:
    """A NIfTI file of float32: noise in the middle third of each axis, air around it, whose windows are predicted only once.

    It is written slice by slice so that this process stays small, and uncompressed, which is faster.
    """
    import nibabel
    import numpy as np

    header: Any = nibabel.Nifti1Header()
    header.set_data_shape(shape)
    header.set_data_dtype(np.float32)
    header.set_sform(np.diag([0.7, 0.7, 1.0, 1.0]), code=1)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    random = np.random.default_rng(0)
    body = [slice(side // 3, -(side // 3)) for side in shape]
    with path.open("wb") as file:
        file.write(header.binaryblock + b"\0\0\0\0")
        for k in range(shape[-1]):
            plane = np.zeros(shape[:-1], np.float32, order="F")
            if body[-1].start <= k < shape[-1] + body[-1].stop:
                part = plane[body[0], body[1]]
                part[:] = random.normal(size=part.shape)
            file.write(plane.tobytes(order="F"))


def peak() -> float:
    """GiB that this process has held at most."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / GIB


def measure(classes: int, folder: Path, layers: list[dict[str, Any]], maps: bool) -> dict[str, float]:
    """Peaks of this process: after a scan of one batch of windows, and after the large one."""
    import torch

    from semiseg.config import make_run
    from semiseg.inference.files import predict_files
    from semiseg.inference.inputs import find_cases
    from semiseg.inference.predictor import Predictor

    names = [f"class_{k}" for k in range(1, classes)]
    run = make_run({"method": "supervised", "data": {"channels": 1, "classes": names}, "network": {"width": 4}}, *layers)
    torch.manual_seed(0)
    predictor = Predictor(run, run.build(), torch.device("cpu"), "32-true")
    found = {}
    for name in ("small", "large"):
        started = time.monotonic()
        cases = find_cases([folder / f"{name}.nii"])
        (result,) = predict_files(predictor, cases, folder / "masks", overwrite=True, uncertainty=maps, probabilities=maps)
        assert result.status == "predicted", result.message
        found |= {f"{name}_gib": peak(), f"{name}_seconds": time.monotonic() - started}
    return found


def main() -> None:
    """Read the options, write the scans, measure each number of classes in a process of its own, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=3, default=[512, 512, 800])
    parser.add_argument("--patch", type=int, nargs=3, default=[128, 128, 80])
    parser.add_argument("--classes", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--set", type=json.loads, default={}, metavar="JSON", help="settings over those of the benchmark")
    parser.add_argument("--maps", action="store_true", help="also write uncertainty and probabilities")
    parser.add_argument("--in", dest="folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    layers = [{"training": {"patch": options.patch}, "inference": {"stride": options.patch, "batch": 1}}, options.set]
    if options.folder is not None:  # a process of its own
        print(json.dumps(measure(options.classes[0], options.folder, layers, options.maps)))
        return
    print("| classes | network and one patch, GiB | whole scan, GiB | seconds |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        write_scan(Path(name) / "small.nii", tuple(options.patch))
        write_scan(Path(name) / "large.nii", tuple(options.shape))
        for classes in options.classes:
            command = [sys.executable, __file__, *sys.argv[1:], "--classes", str(classes), "--in", name]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found = json.loads(done.stdout)
            print(f"| {classes} | {found['small_gib']:.2f} | {found['large_gib']:.2f} | {found['large_seconds']:.0f} |", flush=True)
    print(f"\nA scan of {options.shape} float32 is {4 * math.prod(options.shape) / GIB:.2f} GiB; patch and stride {options.patch}.")


if __name__ == "__main__":
    main()
