"""From a folder to masks with no setting at all, in 3D (hippocampus) and 2D (PNG slices made here): the time of each part, as Markdown.

python benchmarks/one_command.py --hippocampus DATA/hippocampus --labeled 8 --out runs/one_command
python benchmarks/one_command.py --steps 4        the 2D set alone, and so few steps that only the other parts can be judged
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from semiseg.data.phantom import phantom_case

PARTS = ("check", "plan", "prepare", "train", "test", "predict")


def make_pictures(folder: Path, cases: int = 60, labeled: int = 6, test: int = 20, shape: tuple[int, int] = (128, 160)) -> Path:
    """Slices of the phantom as PNG: images/, labels/ for some, lists."""
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    names = [f"slice_{k:03d}" for k in range(cases + test)]
    for k, name in enumerate(names):
        image, label = phantom_case(k, shape, 2)
        Image.fromarray(np.clip(image * 255, 0, 255).astype(np.uint8)).save(folder / "images" / f"{name}.png")
        if k < labeled or k >= cases:
            Image.fromarray(label).save(folder / "labels" / f"{name}.png")
    return with_lists(folder, names[:cases], names[cases:])


def few_labels(data: Path, folder: Path, labeled: int) -> Path:
    """The hippocampus scans by links, with the labels of the first `labeled` training cases and of the test cases alone."""
    train, test = ((data / f"{part}.list").read_text(encoding="utf-8").split() for part in ("train", "test"))
    for kind, names in (("images", train + test), ("labels", train[:labeled] + test)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for name in names:
            link = folder / kind / f"{name}.nii.gz"
            if not link.exists():
                link.symlink_to((data / kind / link.name).resolve())
    return with_lists(folder, train, test)


def with_lists(folder: Path, train: list[str], test: list[str]) -> Path:
    """Write which scans are for training and which for testing."""
    for name, cases in (("train", train), ("test", test)):
        (folder / f"{name}.list").write_text("\n".join(cases) + "\n")
    return folder


def call(cache: Path, *words: str | Path) -> tuple[float, dict[str, Any]]:
    """Seconds of one command, and what it printed as JSON."""
    began = time.monotonic()
    command = [sys.executable, "-m", "semiseg", *map(str, words), "--json"]
    print(" ".join(command[1:]), file=sys.stderr, flush=True)
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, "SEMISEG_CACHE": str(cache)})
    return time.monotonic() - began, json.loads(done.stdout)


def timed(data: Path, out: Path, extra: list[str]) -> dict[str, Any]:
    """Check, plan, prepare and try, train and test, predict all scans: seconds of each, and what was expected and measured."""
    cache, run = out / "cache", out / "run"
    seconds: dict[str, float] = {}
    seconds["check"], checked = call(cache, "check", data)
    seconds["plan"], plan = call(cache, "plan", data, *extra)
    _, tried = call(cache, "train", data, "--dry-run", *extra)
    seconds["prepare"] = tried["measured"]["preparation_seconds"]
    whole, trained = call(cache, "train", data, "--out", run, *extra)
    cost = json.loads((run / "cost.json").read_text(encoding="utf-8"))
    seconds["train"], seconds["test"] = cost["seconds"], whole - cost["seconds"]
    seconds["predict"], predicted = call(cache, "predict", run, data / "images", "--to", out / "masks")
    return {
        "seconds": seconds,
        "findings": checked["errors"],
        "dice": trained["evaluation"]["summary"]["mean"]["dice"]["mean"],
        "run": plan["run"],
        "planned": plan["expected"],
        "measured": tried["measured"],
        "peak": cost["peak_memory_mb"],
        "masks": predicted["predicted"],
    }


def table(results: dict[str, dict[str, Any]]) -> str:
    """One row a data set for the times, one for what was decided and what came out."""
    lines = ["| data | " + " | ".join(f"{part} s" for part in PARTS) + " | together |", "|" + "---|" * (len(PARTS) + 2)]
    for name, result in results.items():
        times = [result["seconds"][part] for part in PARTS]
        lines.append(f"| {name} | " + " | ".join(f"{t:.1f}" for t in times) + f" | {sum(times) / 60:.1f} min |")
    lines += ["", "| data | planned | expected | dry run | training | mean Dice | masks |", "|---|---|---|---|---|---|---|"]
    for name, result in results.items():
        training, planned, measured = result["run"]["training"], result["planned"], result["measured"]
        sides = " x ".join(map(str, training["patch"]))
        batch = f"{training['labeled_batch']} + {training['unlabeled_batch']}"
        cells = [
            f"{result['run']['method']}, {sides}, {batch}, {training['steps']} steps",
            f"{planned['seconds']} s, {planned['peak_memory_mb']} MB",
            f"{measured['training_seconds']:.0f} s, {measured['peak_memory_mb']:.0f} MB",
            f"{result['seconds']['train']:.0f} s, {result['peak']:.0f} MB",
            f"{100 * result['dice']:.1f}",
            str(result["masks"]),
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Read the options, make the folders, time the parts, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hippocampus", type=Path, help="folder of the hippocampus scans; without it the 2D set alone")
    parser.add_argument("--labeled", type=int, default=8)
    parser.add_argument("--out", type=Path, default=Path("runs/one_command"))
    parser.add_argument("--steps", type=int, help="fewer steps than planned, to try the script")
    args = parser.parse_args()
    extra = [] if args.steps is None else ["--steps", str(args.steps)]
    data = {"PNG slices, 2D": make_pictures(args.out / "pictures" / "slices")}
    if args.hippocampus is not None:
        data["hippocampus, 3D"] = few_labels(args.hippocampus, args.out / "scans" / "hippocampus", args.labeled)
    print(table({name: timed(folder, folder.parent, extra) for name, folder in data.items()}))


if __name__ == "__main__":
    main()
