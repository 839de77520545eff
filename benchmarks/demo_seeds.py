"""The demo over several seeds: a Markdown table of the Dice with and without the unlabelled scans. Goes on where it was stopped.

python benchmarks/demo_seeds.py --out runs/demo-seeds
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from semiseg.reporting.demo import run_demo
from semiseg.reporting.tables import Table


def scores(out: Path, steps: int | None, seed: int, dimensions: int) -> dict[str, Any]:
    """The demo's scores for one seed: read, or made where they are not there yet."""
    folder = out / f"seed-{seed}"
    if not (folder / "scores.json").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        run_demo(folder, steps, seed, dimensions)
    found: dict[str, Any] = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    if found["dimensions"] != dimensions or (steps is not None and found["steps"] != steps):
        raise SystemExit(f"{folder}: was made in {found['dimensions']}D with {found['steps']} steps. Choose another folder with --out.")
    return found


def table(results: list[dict[str, Any]]) -> Table:
    """One row a seed, and the mean and standard deviation over seeds."""
    methods = list(results[0]["dice"])
    rows = [
        (
            str(result["seed"]),
            *(f"{result['dice'][method]:.3f}" for method in methods),
            f"{result['difference']:+.3f}",
            f"{result['better_in']} of {result['test_scans']}",
            f"{result['seconds']:.0f}",
        )
        for result in results
    ]
    columns = [[result["dice"][method] for result in results] for method in methods]
    differences = [result["difference"] for result in results]
    cases = f"{sum(r['better_in'] for r in results)} of {sum(r['test_scans'] for r in results)}"
    seconds = f"{fmean(r['seconds'] for r in results):.0f}"
    rows.append(("mean ± s.d.", *(spread(column) for column in columns), spread(differences, "+"), cases, seconds))
    return Table(("Seed", *methods, "Difference", "CML better in", "Seconds"), tuple(rows))


def spread(values: list[float], sign: str = "") -> str:
    """Mean and sample standard deviation over seeds."""
    return f"{fmean(values):{sign}.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


def main() -> None:
    """Read the options, make what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/demo-seeds"), help="folder for the demos")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, help="of each training; the demo's default if not given")
    parser.add_argument("--dimensions", type=int, default=2, help="of the scans")
    options = parser.parse_args()
    results = [scores(options.out, options.steps, seed, options.dimensions) for seed in options.seeds]
    wins = sum(result["difference"] > 0 for result in results)
    print(table(results).markdown())
    print(f"Mean Dice on the test scans, {results[0]['steps']} steps each. CML is better with {wins} of {len(results)} seeds.")


if __name__ == "__main__":
    main()
