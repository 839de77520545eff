"""The demo: synthetic scans, a training with and one without the unlabelled ones, scores, pictures and a report."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from semiseg.data.folder import open_folder
from semiseg.data.phantom import write_phantom
from semiseg.errors import RunFolderError, TrainingError
from semiseg.evaluation.results import MEAN, Evaluation
from semiseg.methods import METHODS
from semiseg.reporting.comparison import compare, wins
from semiseg.reporting.figures import slices_figure
from semiseg.reporting.html import write_report
from semiseg.reporting.pictures import Finished, ranked, read_example
from semiseg.reporting.tables import score_table
from semiseg.training.train import train

METHOD_NAMES = ("supervised", "cml")
CAVEAT = (
    "Both were trained with flips as their only augmentation, as the field's published trainings are; with more augmentation the control"
    " comes close to CML on such scans (docs/benchmarks/demo.md has both tables)."
)


@dataclass(frozen=True)
class Setup:
    """What is trained on what. `scans`: for `write_phantom`; `steps`: of each training."""

    scans: Mapping[str, Any]
    steps: int
    settings: Mapping[str, Any]


def setup(side: int, dimensions: int, scans: Mapping[str, Any], patch: int, steps: int) -> Setup:
    """Scans and patches of so many voxels a side; what both methods share is chosen on the control, with seeds that no table shows."""
    training = {"patch": (patch,) * dimensions, "labeled_batch": 4, "unlabeled_batch": 4, "learning_rate": 3e-3, "warmup": 30}
    settings = {"network": {"width": 8}, "training": training, "augmentation": {"symmetry": "flips"}}
    return Setup({**scans, "shape": (side,) * dimensions, "classes": 2}, steps, settings)


SETUPS: Mapping[int, Setup] = {
    2: setup(64, 2, {"cases": 60, "labeled": 4, "test": 20}, patch=64, steps=800),
    3: setup(40, 3, {"cases": 40, "labeled": 4, "test": 10}, patch=32, steps=1000),
}
"""By the dimensions of the scans. In 2D both trainings end within three minutes on two slow cores; in 3D they need a quarter of an hour."""


def run_demo(out: Path, steps: int | None = None, seed: int = 0, dimensions: int = 2, progress: bool = True) -> dict[str, Any]:
    """Train supervised-only and CML with the same synthetic scans, labels, batches and number of steps; compare them on test scans.

    Writes data/, one run folder a method, scores.json, report.html and demo.png (the median case) into `out`.

    Args:
        out: a new folder.
        steps: of each training; by default as many as the control needs for its loss to level out.
        seed: of the scans and of both trainings.
        dimensions: of the scans, 2 or 3.
        progress: show progress on stderr.

    Returns:
        What scores.json holds, and `table`, `report` and `picture`: the scores as text with their caveat, and the paths of what to look at.

    Raises:
        RunFolderError: `out` exists and is not empty.
        TrainingError: a training was interrupted.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunFolderError(f"{out}: exists already. Choose another folder with --out.")
    began = time.monotonic()
    chosen = SETUPS[dimensions]
    layers = [chosen.settings, {"seed": seed, "training": {"steps": steps or chosen.steps}}]
    write_phantom(out / "data", **chosen.scans, seed=seed)
    runs = {METHODS[method].title: trained(out, method, layers, progress) for method in METHOD_NAMES}
    test = open_folder(out / "data").test
    page = compare("CML beside supervised-only training, on synthetic scans", runs, test)
    write_report(replace(page, summary=f"{page.summary} {CAVEAT}"), out / "report.html")
    order = ranked(runs)
    median = next(case for case in test if case.id == order[(len(order) - 1) // 2])
    (out / "demo.png").write_bytes(slices_figure(read_example(median, runs), runs[METHODS["cml"].title][1].classes, axes=(2,)))
    scores = {
        **summary(runs),
        "dimensions": dimensions,
        "steps": steps or chosen.steps,
        "seed": seed,
        "seconds": round(time.monotonic() - began, 1),
    }
    (out / "scores.json").write_text(json.dumps(scores, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    table = score_table({name: evaluation for name, (_, evaluation) in runs.items()}).plain()
    return {**scores, "table": f"{table}\n{CAVEAT}", "report": str(out / "report.html"), "picture": str(out / "demo.png")}


def trained(out: Path, method: str, layers: list[Mapping[str, Any]], progress: bool) -> tuple[Any, Evaluation]:
    """One finished run on the demo's scans: its folder and its test scores."""
    result = train(out / "data", [*layers, {"method": method}], out / method, progress=progress)
    if result.evaluation is None:
        raise TrainingError(f"{out}: the demo was interrupted. Remove the folder, and start it again.")
    return result.folder, result.evaluation


def summary(runs: Finished) -> dict[str, Any]:
    """Mean Dice of each method, their difference (CML less the control), in how many test scans CML is better, and all scores."""
    evaluations = {name: evaluation for name, (_, evaluation) in runs.items()}
    dice = {name: evaluation.summary()[MEAN]["dice"].mean for name, evaluation in evaluations.items()}
    control, method = evaluations
    better, cases = wins(evaluations[method], evaluations[control])
    everything = {name: evaluation.as_dict() for name, evaluation in evaluations.items()}
    return {"dice": dice, "difference": dice[method] - dice[control], "better_in": better, "test_scans": cases, "evaluations": everything}
