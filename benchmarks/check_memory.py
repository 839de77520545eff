"""How fast `semiseg check` goes through a large folder, and in how much memory, beside a bare reading of its files and a tenth of them.

python benchmarks/check_memory.py --cases 2000
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

MIB = 2**20
WAYS = ("bytes", "voxels", "check", "check and page")
"""Files as bytes; their voxels through nibabel; `semiseg check`; the same with a page of pictures."""


def write_set(folder: Path, first: int, cases: int, shape: tuple[int, ...]) -> None:
    """A plain folder: int16 noise on a bright ball, compressed as scanners' exports are; every second case with a label."""
    import nibabel
    import numpy as np

    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    axes = np.meshgrid(*[np.linspace(-1, 1, side) for side in shape], indexing="ij")
    for k in range(first, first + cases):
        random = np.random.default_rng(k)
        ball = sum((axis - random.uniform(-0.3, 0.3)) ** 2 for axis in axes) < random.uniform(0.1, 0.3)
        scan = (random.normal(100, 20, shape) + 80 * ball).astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(scan, np.eye(4)), folder / "images" / f"case_{k:05d}.nii.gz")
        if k % 2 == 0:
            nibabel.save(nibabel.Nifti1Image(ball.astype(np.uint8), np.eye(4)), folder / "labels" / f"case_{k:05d}.nii.gz")


def go_through(folder: Path, way: str, workers: int, page: Path) -> int:
    """Do it; how many files there were."""
    files = sorted(folder.glob("*/*.nii.gz"))
    if way in ("bytes", "voxels"):
        with ThreadPoolExecutor(workers) as pool:
            for _ in pool.map(Path.read_bytes if way == "bytes" else read_voxels, files):
                pass
        return len(files)
    from semiseg.cli.check import album, write_page
    from semiseg.data.folder import open_folder
    from semiseg.data.inspection import inspect

    dataset = open_folder(folder)
    with album(page if way == "check and page" else None) as pictures:
        found = inspect(dataset, workers, see=None if pictures is None else pictures.add)
        assert found == [], found[:3]
        if pictures is not None:
            write_page(page, folder, dataset, found, pictures)
    return len(files)


def read_voxels(path: Path) -> None:
    """All voxels of a file, as nibabel gives them."""
    import nibabel
    import numpy as np

    np.asarray(nibabel.load(path).dataobj)  # type: ignore[attr-defined]


def measure(folder: Path, way: str, workers: int, page: Path) -> dict[str, Any]:
    """Of this process: files a second and processor time a file, without the imports, and MiB held at most."""
    import resource

    import nibabel  # noqa: F401

    import semiseg.data.inspection
    import semiseg.reporting.check_page  # noqa: F401

    start, cpu = time.perf_counter(), time.process_time()
    files = go_through(folder, way, workers, page)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MIB
    return {"files": files, "files_per_second": files / seconds, "cpu_ms_per_file": 1000 * cpu / files, "peak_mib": peak}


def main() -> None:
    """Measure each way in a process of its own, on a tenth of the cases and on all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--shape", type=int, nargs=3, default=[64, 64, 32])
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--measure", nargs=3, metavar=("FOLDER", "WAY", "PAGE"), help="one measurement, as JSON")
    options = parser.parse_args()
    if options.measure:
        folder, way, page = options.measure
        print(json.dumps(measure(Path(folder), way, options.workers, Path(page))))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder, page = Path(temporary) / "scans", Path(temporary) / "check.html"
        few = options.cases // 10
        print("| cases | | files | files a second | CPU ms a file | peak memory, MiB |\n|---:|---|---:|---:|---:|---:|")
        for first, cases in ((0, few), (few, options.cases - few)):
            write_set(folder, first, cases, tuple(options.shape))
            for way in WAYS:
                command = [sys.executable, __file__, "--workers", str(options.workers), "--measure", str(folder), way, str(page)]
                found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                numbers = (found["files_per_second"], found["cpu_ms_per_file"], found["peak_mib"])
                print(
                    f"| {first + cases} | {way} | {found['files']} | {numbers[0]:.0f} | {numbers[1]:.1f} | {numbers[2]:.0f} |", flush=True
                )
        print(f"\npage: {page.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
