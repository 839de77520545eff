"""What a grid leaves for people: results.csv, results.json, results.md, and a report page for each data set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from semiseg.benchmark.results import LAST, Row, as_json, read_scores, rows_of, table, whole, write_tidy
from semiseg.benchmark.state import State
from semiseg.benchmark.training import Training
from semiseg.case import Case
from semiseg.errors import DataError
from semiseg.reporting import comparison
from semiseg.reporting.files import write_files
from semiseg.reporting.runs import find_test_cases, grouped, read_training
from semiseg.run_folder import RunFolder, replacing
from semiseg.training.progress import say

HOW_TO_READ = (
    "Mean ± standard deviation over trainings (seeds and label draws) of the mean over test cases; the folds of a cross-validation are one "
    "training over all cases. Failures, over all trainings: cases in which a class was missed altogether or found where there is none; "
    "they count in Dice and Jaccard and have no distance."
)
WARNING = "selected on test"


def write_results(name: str, trainings: Sequence[Training], state: State, out: Path) -> list[Path]:
    """Write everything that the finished trainings give. Returns the files that a person opens."""
    scores = read_scores(trainings, out)
    write_tidy(scores, out / "results.csv")
    complete, left_out = whole(scores)
    rows = rows_of(complete)
    with replacing(out / "results.json") as temporary:
        temporary.write_text(json.dumps(summary(name, rows, state, left_out), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    (out / "results.md").write_text(markdown(name, rows, state, left_out), encoding="utf-8")
    return [out / "results.md", *pages(name, rows, out)]


def summary(name: str, rows: Sequence[Row], state: State, left_out: Sequence[str] = ()) -> dict[str, Any]:
    """results.json: rows, what they leave out, and every training with its errors."""
    entries = {run: {"status": entry.status, "attempts": entry.attempts, "errors": entry.errors} for run, entry in state.entries.items()}
    return {"name": name, "trainings": entries, "rows": as_json(rows), "left_out": list(left_out)}


def markdown(name: str, rows: Sequence[Row], state: State, left_out: Sequence[str] = ()) -> str:
    """results.md: a table for each data set, what it comes from, what it leaves out, and what is missing."""
    parts = [f"# {name}"]
    for data in dict.fromkeys(row.data for row in rows):
        own = [row for row in rows if row.data == data]
        parts += [f"## {data}", origin(own), table(own).markdown().rstrip()]
    if rows:
        parts.append(HOW_TO_READ)
    if left_out:
        parts.append("Not in the tables, since folds are missing (results.csv has what is there): " + "; ".join(left_out) + ".")
    return "\n\n".join([*parts, *missing(state)]) + "\n"


def origin(rows: Sequence[Row]) -> str:
    """Protocols, seeds, draws, data and version behind a table, in a sentence or two."""
    members = [member for row in rows for member in row.members]
    protocols = "; ".join(sorted({row.protocol for row in rows}))
    seeds = sorted({member.training.seed for member in members})
    draws = sorted({member.training.draw for member in members})
    folds = sorted({member.training.fold for member in members if member.training.fold})
    sources = [member.evaluation.provenance for member in members if member.evaluation.provenance]
    facts = [
        f"Protocol: {protocols}",
        f"seeds {', '.join(map(str, seeds))}",
        f"label draws {', '.join(map(str, draws))}",
        *([f"folds {', '.join(folds)}"] if folds else []),
        f"data {', '.join(sorted({source.data for source in sources}))}",
        f"semiseg {', '.join(sorted({source.version for source in sources}))}",
    ]
    warning = (
        "**Some weights were selected on the test cases**, as in published tables: their scores flatter. " if WARNING in protocols else ""
    )
    return f"{warning}{'; '.join(facts)}."


def missing(state: State) -> list[str]:
    """Which trainings are not finished, and why."""
    lines = []
    for name in state.named("waiting", "running", "stopped", "failed"):
        entry = state.entries[name]
        said = entry.errors[-1].splitlines()[-1] if entry.errors else ""
        lines.append(f"- {name}: {entry.status}" + (f" after {entry.attempts} attempts: {said}" if said else ""))
    return [f"Not finished: {len(lines)} of {len(state.entries)} trainings.\n\n" + "\n".join(lines)] if lines else []


def pages(name: str, rows: Sequence[Row], out: Path) -> list[Path]:
    """A report page for each data set, with its tables beside it; none, and a line why, where its trainings do not compare yet."""
    names = list(dict.fromkeys(row.data for row in rows))
    written = []
    for data in names:
        runs = [member.folder.path for row in rows if row.data == data and row.weights == LAST for member in row.members]
        title, folder = (name, out) if len(names) == 1 else (f"{name}: {data}", out / data)
        try:
            written.append(page(title, runs, folder / "report.html"))
        except DataError as error:  # folds that are not all there
            say(f"No page on {data}: {error}")
    return written


def page(title: str, runs: Sequence[Path], path: Path) -> Path:
    """The report of finished runs."""
    groups = grouped([read_training(run) for run in runs])
    test, problem = test_cases(groups[0].folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_files(comparison.report(title, groups, test, problem), path)
    return path


def test_cases(folder: RunFolder) -> tuple[tuple[Case, ...], str]:
    """The scored scans, or why there are none to show."""
    try:
        return find_test_cases(folder), ""
    except DataError as error:
        return (), str(error).rstrip(".")
