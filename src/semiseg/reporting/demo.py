"""The demo: synthetic scans, a training with and one without the unlabelled ones, scores, pictures and a report."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from semiseg.data.folder import open_folder
from semiseg.data.phantom import write_phantom
from semiseg.errors import RunFolderError, TrainingError
from semiseg.evaluation.results import MEAN, Evaluation
from semiseg.methods import METHODS
from semiseg.reporting.comparison import Finished, compare, ranked, read_example, wins
from semiseg.reporting.figures import slices_figure
from semiseg.reporting.html import write_report
from semiseg.reporting.tables import score_table
from semiseg.training.train import train

SCANS: Mapping[str, Any] = {"cases": 40, "labeled": 4, "test": 10, "shape": (40, 40, 40), "classes": 2}
"""Few labels, many scans; small, so that two trainings in 3D take three minutes on two slow cores."""
STEPS = 400
METHOD_NAMES = ("supervised", "cml")
SETTINGS: Mapping[str, Any] = {
    "network": {"width": 4},
    "training": {"patch": (32, 32, 32), "labeled_batch": 4, "unlabeled_batch": 4, "learning_rate": 3e-3, "warmup": 30},
    "augmentation": {"symmetry": "flips"},
}
"""What both methods share; all else is the default. Chosen on the control, with seeds that no table shows."""


def run_demo(out: Path, steps: int | None = None, seed: int = 0, progress: bool = True) -> dict[str, Any]:
    """Train supervised-only and CML with the same synthetic scans, labels, batches and number of steps; compare them on test scans.

    Writes data/, one run folder a method, scores.json, report.html and demo.png (the median case) into `out`.

    Args:
        out: a new folder.
        steps: of each training; by default as many as the control needs for its loss to level out.
        seed: of the scans and of both trainings.
        progress: show progress on stderr.

    Returns:
        What scores.json holds, and `table`, `report` and `picture`: the scores as text and the paths of what to look at.

    Raises:
        RunFolderError: `out` exists and is not empty.
        TrainingError: a training was interrupted.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunFolderError(f"{out}: exists already. Choose another folder with --out.")
    began = time.monotonic()
    write_phantom(out / "data", **SCANS, seed=seed)
    runs = {METHODS[method].title: trained(out, method, steps or STEPS, seed, progress) for method in METHOD_NAMES}
    test = open_folder(out / "data").test
    write_report(compare("CML beside supervised-only training, on synthetic scans", runs, test), out / "report.html")
    order = ranked(runs)
    median = next(case for case in test if case.id == order[(len(order) - 1) // 2])
    (out / "demo.png").write_bytes(slices_figure(read_example(median, runs), runs[METHODS["cml"].title][1].classes, axes=(2,)))
    scores = {**summary(runs), "steps": steps or STEPS, "seed": seed, "seconds": round(time.monotonic() - began, 1)}
    (out / "scores.json").write_text(json.dumps(scores, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    table = score_table({name: evaluation for name, (_, evaluation) in runs.items()}).plain()
    return {**scores, "table": table, "report": str(out / "report.html"), "picture": str(out / "demo.png")}


def trained(out: Path, method: str, steps: int, seed: int, progress: bool) -> tuple[Any, Evaluation]:
    """One finished run on the demo's scans: its folder and its test scores."""
    layers = [SETTINGS, {"method": method, "seed": seed, "training": {"steps": steps}}]
    result = train(out / "data", layers, out / method, progress=progress)
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
