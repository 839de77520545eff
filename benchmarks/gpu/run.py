"""The paper's experiment in slices of time: unpack the data, train what the time allows, leave small files with everything that counts.

python benchmarks/gpu/run.py --data DATA --out runs/gpu --max-time 9m       # DATA/LA and DATA/ACDC; the same command goes on
python benchmarks/gpu/run.py --archives ARCHIVES --data DATA --out runs/gpu --max-time 9m
python benchmarks/gpu/run.py --data DATA --out runs/rehearsal --max-time 2m --rehearse      # minutes on a CPU, says nothing about quality

To go on with it on another machine, carry --out there. What is to be kept at the end is OUT/small.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import yaml
from safetensors.torch import load_file, save_file

GRID = Path(__file__).with_name("priorities.yaml")
SETS = ("LA", "ACDC")
KEPT = ("run.yaml", "split.json", "environment.json", "cost.json", "log.csv", "looks.csv", "scores*.csv", "scores*.json")
"""Of each run folder: settings, cases, cost, curves, and scores per case."""
STOPPED_EARLY = 3
REHEARSED = 3
"""Documents of the grid that are rehearsed: CML, its control, its released variant."""
HALF = {"methods": {"cml": {"settings": {"pretrain": 0.5}}}}
TINY: dict[str, dict[str, Any]] = {
    "LA": {"training": {"steps": 4, "patch": [64, 64, 32]}, "inference": {"stride": [64, 64, 32]}, **HALF},
    "ACDC": {"training": {"steps": 4, "patch": [64, 64]}, "inference": {"stride": [64, 64]}, "preparation": {"resize": [64, 64]}, **HALF},
}
"""A rehearsal's settings: the same way, too short and too small to learn anything."""


def unpack(archives: Path, data: Path) -> None:
    """What is not unpacked yet: by the folder's own `unpack.py DATA la acdc`, if it has one, else every tar file in it."""
    if all((data / name).is_dir() for name in SETS):
        return
    if (archives / "unpack.py").is_file():
        subprocess.run([sys.executable, str(archives / "unpack.py"), str(data), *(name.lower() for name in SETS)], check=True)
        return
    for path in sorted(archives.glob("*.tar*")):
        with tarfile.open(path) as file:
            file.extractall(data, filter="data")


def rehearsal(data: Path, out: Path) -> tuple[Path, Path]:
    """The grid with tiny settings, and a data folder with short lists that leads to the same files. Returns both."""
    documents = list(yaml.safe_load_all(GRID.read_text(encoding="utf-8")))[:REHEARSED]
    for document in documents:
        for name, source in document["data"].items():
            source["settings"] = {"network": {"width": 4, "dropout": 0.0}, "selection": {"every": 2, "first": 0}, **TINY[name]}
    small, grid = out / "data", out / "rehearsal.yaml"
    for name, lists in {
        "LA": {"train.list": 10, "test.list": 2},
        "ACDC": {"train_slices.list": 200, "val.list": 2, "test.list": 2},
    }.items():
        (small / name).mkdir(parents=True, exist_ok=True)
        for path in (data / name).iterdir():
            if path.is_dir() and not (small / name / path.name).exists():
                (small / name / path.name).symlink_to(path.resolve())
        for listed, count in lists.items():
            (small / name / listed).write_text("\n".join((data / name / listed).read_text(encoding="utf-8").split()[:count]) + "\n")
    grid.write_text(yaml.safe_dump_all(documents, sort_keys=False))
    return grid, small


def benchmark(grid: Path, data: Path, out: Path, max_time: str, jobs: int, device: str) -> int:
    """One slice. Returns what `semiseg benchmark` returned."""
    command = [sys.executable, "-m", "semiseg", "benchmark", str(grid), "--out", str(out), "--max-time", max_time]
    command += [word for name in SETS for word in ("--data", f"{name}={data / name}")]
    return subprocess.run([*command, "--jobs", str(jobs), "--device", device], check=False, stdout=sys.stderr).returncode


def collect(out: Path) -> list[dict[str, Any]]:
    """Copy what counts into OUT/small, weights in half precision, and return one row of throughput a finished run."""
    small, rows = out / "small", []
    for scores in sorted(out.glob("*/*/scores.json")):
        run = scores.parent
        kept = small / run.relative_to(out)
        kept.mkdir(parents=True, exist_ok=True)
        for path in (path for pattern in KEPT for path in run.glob(pattern)):
            shutil.copy2(path, kept / path.name)
        for path in run.glob("weights*.safetensors"):
            halve(path, kept / path.name)
        cost = json.loads((run / "cost.json").read_text(encoding="utf-8"))
        dice = {name: mean_dice(run / f"scores{name}.json") for name in ("", "-selected")}
        steps_a_second = round(1 / cost["seconds_per_step"], 2)
        rows.append(
            {
                "run": str(run.relative_to(out)),
                **cost,
                "steps_per_second": steps_a_second,
                "dice": dice[""],
                "dice_selected": dice["-selected"],
            }
        )
    for path in [*out.glob("results.*"), *out.glob("*/report.html"), *out.glob("report.html"), out / "state.json"]:
        if path.is_file():
            target = small / path.relative_to(out)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
    return rows


def halve(source: Path, target: Path) -> None:
    """Weights with every floating tensor in half precision: half the size, and nothing that a score would show."""
    if not target.is_file() or target.stat().st_mtime < source.stat().st_mtime:
        save_file({name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in load_file(source).items()}, target)


def mean_dice(path: Path) -> float | None:
    """Of a score file, over classes and cases; None where there is no such file."""
    if not path.is_file():
        return None
    dice: float | None = json.loads(path.read_text(encoding="utf-8"))["summary"]["mean"]["dice"]["mean"]
    return dice


def main() -> int:
    """Read the options, train a slice, collect, and print the throughput as a table. Returns 3 where there is more to do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archives", type=Path, help="folder of packed data, to be unpacked into --data")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds LA/ and ACDC/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--max-time", default="9m", help="of this slice, as 90s, 9m, 1h")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time on one device")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rehearse", action="store_true", help="tiny networks, 4 steps, a few cases")
    args = parser.parse_args()
    if args.archives is not None:
        unpack(args.archives, args.data)
    grid, data = rehearsal(args.data, args.out) if args.rehearse else (GRID, args.data)
    code = benchmark(grid, data, args.out, args.max_time, args.jobs, args.device)
    rows = collect(args.out)
    if rows:
        columns = list(dict.fromkeys(key for row in rows for key in row))
        with (args.out / "small" / "throughput.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(rows)
        print((args.out / "small" / "throughput.csv").read_text(encoding="utf-8"))
    return code


if __name__ == "__main__":
    sys.exit(main())
