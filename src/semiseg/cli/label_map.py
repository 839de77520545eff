"""The option `--label-map 255:1,3:0,9:ignore` of the commands that open label files: what their values stand for."""

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


def parse_prediction_label_map(text: str) -> dict[int, int]:
    """As `parse_label_map`; a prediction says something of every voxel."""
    from semiseg.case import IGNORE

    values = parse_label_map(text)
    if IGNORE in values.values():
        raise typer.BadParameter(f"{text!r}: a prediction has no voxels to ignore. Use --label-map, for the references.")
    return values


PredictionLabelMap = Annotated[
    dict | None,  # type: ignore[type-arg]  # as above
    typer.Option(
        "--prediction-label-map",
        parser=parse_prediction_label_map,
        metavar="VALUE:CLASS,...",
        help="What values in the predictions stand for, where they are no class numbers: 255:1.",
    ),
]
