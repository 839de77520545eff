"""`semiseg demo`: synthetic scans, a training with and without the unlabelled ones, a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semiseg.cli.output import AsJson, print_json, print_text


def demo(
    out: Annotated[Path, typer.Option(help="Folder to make.")] = Path("semiseg-demo"),
    steps: Annotated[
        int | None, typer.Option(min=1, help="Training steps of each method. Default: enough to learn.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of scans and trainings.")] = 0,
    dimensions: Annotated[int, typer.Option(min=2, max=3, help="Of the scans: 3 takes a quarter of an hour.")] = 2,
    as_json: AsJson = False,
) -> None:
    """A few minutes on a laptop: what the unlabelled scans are worth, with pictures."""
    from semiseg.reporting.demo import run_demo

    result = run_demo(out, steps=steps, seed=seed, dimensions=dimensions)
    if as_json:
        print_json(result)
    else:
        print_text(f"{result['table']}\nreport: {result['report']}\npicture: {result['picture']}")
