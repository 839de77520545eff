"""The option `--label-map 255:1,3:0`, which `train` and `evaluate` share."""

from __future__ import annotations

from typing import Annotated

import typer


def parse_label_map(text: str) -> dict[int, int]:
    """`255:1,3:0` as {255: 1, 3: 0}."""
    try:
        pairs = [tuple(map(int, pair.split(":"))) for pair in text.split(",")]
        return {value: number for value, number in pairs}  # noqa: C416  # a pair that is none fails here
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: expected value:class pairs, for instance 255:1,3:0.") from error


LabelMap = Annotated[
    dict | None,  # type: ignore[type-arg]  # typer reads it at run time, and knows no dict[int, int]
    typer.Option(
        "--label-map", parser=parse_label_map, metavar="VALUE:CLASS,...", help="What values in the label files stand for: 255:1,3:0."
    ),
]
