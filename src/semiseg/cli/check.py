"""`semiseg check`: what is wrong with a data folder, file by file, before anything is trained on it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semiseg.cli.label_map import LabelMap
from semiseg.cli.output import FAILED, AsJson, print_json, print_text

if TYPE_CHECKING:
    from semiseg.data.dataset import Dataset
    from semiseg.data.faults import LayoutError
    from semiseg.data.look import Finding


def check(
    data: Annotated[Path, typer.Argument(help="The data folder, or a manifest.", show_default=False)],
    label_map: LabelMap = None,
    workers: Annotated[int, typer.Option(min=1, help="Files read at once.")] = 4,
    as_json: AsJson = False,
) -> None:
    """Open every file once and say what is wrong with which, and the way out. Exit code 1: there are errors."""
    from semiseg.data.folder import open_folder
    from semiseg.data.inspection import inspect
    from semiseg.training.progress import StepProgress

    faults: list[LayoutError] = []
    dataset = open_folder(data, refuse=faults.append).relabeled(label_map or {})
    with StepProgress("check", sum(map(len, dataset.parts.values()))) as bar:
        found = inspect(dataset, workers, lambda done, total: bar.update(done), faults=faults)
    report(dataset, found, as_json)
    if any(finding.severity == "error" for finding in found):
        raise typer.Exit(FAILED)


def report(dataset: Dataset, found: list[Finding], as_json: bool) -> None:
    """The findings case by case, and how many there are."""
    counts = {severity: sum(finding.severity == severity for finding in found) for severity in ("error", "warning")}
    if as_json:
        cases = {part: len(cases) for part, cases in dataset.parts.items()}
        facts = {"name": dataset.name, "layout": dataset.layout, "cases": cases}
        print_json({**facts, "errors": counts["error"], "warnings": counts["warning"], "findings": [asdict(finding) for finding in found]})
        return
    print_text(dataset.summary())
    for finding in found:
        print_text(f"{finding.severity}: {finding.kind}: {finding.message}")
    print_text(f"{counts['error']} errors, {counts['warning']} warnings" if found else "nothing wrong")
