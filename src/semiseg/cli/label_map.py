"""The option `--label-map 255:1,3:0,9:ignore`, which `train` and `evaluate` share."""

from __future__ import annotations

from typing import Annotated

import typer


def parse_label_map(text: str) -> dict[int, int]:
    """`255:1,3:0,9:ignore` as {255: 1, 3: 0, 9: -1}."""
    from semiseg.data.labels import parse_class

    try:
        pairs = [pair.split(":") for pair in text.split(",")]
        return {int(value): int(parse_class(number)) for value, number in pairs}
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: expected value:class pairs, for instance 255:1,3:0,9:ignore.") from error


LabelMap = Annotated[
    dict | None,  # type: ignore[type-arg]  # typer reads it at run time, and knows no dict[int, int]
    typer.Option(
        "--label-map",
        parser=parse_label_map,
        metavar="VALUE:CLASS,...",
        help="What values in the label files stand for: 255:1,3:0,9:ignore.",
    ),
]
