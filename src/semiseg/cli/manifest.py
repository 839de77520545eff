"""`semiseg manifest`: what a folder was read as, as a table to edit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semiseg.cli.output import AsJson, print_json, print_text


def manifest(
    data: Annotated[Path, typer.Argument(help="The data folder.", show_default=False)],
    to: Annotated[Path, typer.Option(help="The table to make: .csv or .yaml.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Write which scan has which label, patient and split; edit the table and train on it."""
    from semiseg.data.folder import open_folder
    from semiseg.data.layouts.manifest import write

    dataset = open_folder(data)
    write(dataset, to)
    if as_json:
        parts = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
        print_json({"manifest": to, "layout": dataset.layout, "cases": {part: len(cases) for part, cases in parts.items()}})
    else:
        print_text(f"{dataset.summary()}\n{to}: train on it with: semiseg train {to}")
