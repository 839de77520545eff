"""Methods x label budgets x seeds on the hippocampus scans, as separate runs of the command line; resumable; prints Markdown.

python benchmarks/hippocampus.py DATA/hippocampus --methods supervised cml --labeled 4 10 --seeds 0 1 2 --jobs 2
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

METRICS = {"dice": ("Dice %", 100), "jaccard": ("Jaccard %", 100), "hd95_mm": ("HD95 mm", 1), "asd_mm": ("ASD mm", 1)}


def train(data: Path, out: Path, method: str, labeled: int, seed: int, extra: list[str]) -> None:
    """One run of the command line, where it is not finished yet; one thread a run, so that two share two cores without waiting."""
    if (out / "scores.json").is_file():
        return
    command = [sys.executable, "-m", "semiseg", "train", str(data), "--config", "hippocampus", "--method", method]
    command += ["--labeled", str(labeled), "--seed", str(seed), "--out", str(out), *extra]
    if (out / "run.yaml").is_file():
        command = [sys.executable, "-m", "semiseg", "train", "--resume", str(out)]
    print(" ".join(command[1:]), file=sys.stderr, flush=True)
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)


def read(out: Path) -> dict[str, Any]:
    """Mean scores of one run by class, and what it cost."""
    summary = json.loads((out / "scores.json").read_text(encoding="utf-8"))["summary"]
    return {"summary": summary, **json.loads((out / "cost.json").read_text(encoding="utf-8"))}


def row(runs: list[dict[str, Any]], name: str) -> list[str]:
    """Mean and deviation over seeds, of each metric for one class."""
    cells = []
    for metric, (_, factor) in METRICS.items():
        values = [run["summary"][name][metric]["mean"] for run in runs]
        if None in values:
            cells.append("undefined")
            continue
        spread = f" ± {factor * stdev(values):.2f}" if len(values) > 1 else ""
        cells.append(f"{factor * fmean(values):.2f}{spread}")
    return [*cells, str(sum(run["summary"][name]["dice"]["failures"] for run in runs))]


def table(out: Path, methods: list[str], budgets: list[int], seeds: list[int]) -> str:
    """One row for each budget, method and class."""
    head = ["labels", "method", "class", *(title for title, _ in METRICS.values()), "failures", "s a step", "peak MB"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for labeled, method in product(budgets, methods):
        runs = [read(out / f"{method}-{labeled}-{seed}") for seed in seeds]
        cost = [f"{fmean(run['seconds_per_step'] for run in runs):.2f}", f"{max(run['peak_memory_mb'] for run in runs):.0f}"]
        lines += ["| " + " | ".join([str(labeled), method, name, *row(runs, name), *cost]) + " |" for name in runs[0]["summary"]]
    return "\n".join(lines)


def main() -> None:
    """Read the options, make what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/hippocampus"))
    parser.add_argument("--methods", nargs="+", default=["supervised", "cml"])
    parser.add_argument("--labeled", nargs="+", type=int, default=[4, 10])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--set", nargs="*", default=[], help="further settings, as for `semiseg train --set`")
    args = parser.parse_args()
    extra = [word for setting in args.set for word in ("--set", setting)]
    runs = list(product(args.seeds, args.labeled, args.methods))  # whole seeds first: a cut benchmark still compares
    with ThreadPoolExecutor(args.jobs) as pool:
        jobs = [pool.submit(train, args.data, args.out / f"{m}-{n}-{s}", m, n, s, extra) for s, n, m in runs]
        for job in jobs:
            job.result()
    print(table(args.out, args.methods, args.labeled, args.seeds))


if __name__ == "__main__":
    main()
