"""`semiseg evaluate`: scores of masks against reference masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semiseg.cli.label_map import LabelMap
from semiseg.cli.output import AsJson, print_json, print_text
from semiseg.cli.predict import split_names

if TYPE_CHECKING:
    from semiseg.evaluation.pairs import Pair


def evaluate(
    predictions: Annotated[Path, typer.Argument(help="A mask, or a folder of masks.", show_default=False)],
    references: Annotated[Path, typer.Argument(help="The true mask, or a folder of them.", show_default=False)],
    classes: Annotated[
        str | None, typer.Option(help="Names of the classes 1, 2, ...: a,b,c. Default: class_1, ... as the references hold.")
    ] = None,
    label_map: LabelMap = None,
    ignore: Annotated[
        list[int] | None, typer.Option(help="A value of the references where nobody labelled: left out of all scores.", show_default=False)
    ] = None,
    to: Annotated[Path | None, typer.Option(help="Also write every score to this .csv or .json file.", show_default=False)] = None,
    spacing: Annotated[
        str | None, typer.Option(help="Millimetres a voxel, for references that hold none (h5): 0.625,0.625,0.625.", show_default=False)
    ] = None,
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="Count a missing prediction as a failure.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Cases scored at once.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Dice, Jaccard, HD95 and surface distances, per class and case."""
    if to is not None and to.suffix not in (".csv", ".json"):
        raise typer.BadParameter(f"{to}: expected a name that ends with .csv or .json.", param_hint="--to")
    from semiseg.case import IGNORE
    from semiseg.evaluation.evaluate import evaluate as score
    from semiseg.evaluation.evaluate import match_pairs
    from semiseg.training.progress import StepProgress

    sides, values = parse_spacing(spacing), {**(label_map or {}), **dict.fromkeys(ignore or (), IGNORE)}
    pairs = [replace(pair, spacing=sides, label_map=values) for pair in match_pairs(predictions, references, allow_missing)]
    names = split_names(classes) or found_classes(pairs)
    with StepProgress("evaluate", len(pairs)) as bar:
        evaluation = score(pairs, names, workers, lambda done, total: bar.update(done))
    if to is not None:
        (evaluation.to_csv if to.suffix == ".csv" else evaluation.to_json)(to)
    if as_json:
        print_json(evaluation.as_dict())
    else:
        print_text(evaluation.to_text())


def parse_spacing(text: str | None) -> tuple[float, ...] | None:
    """`0.625,0.625,2` as numbers."""
    try:
        return None if text is None else tuple(float(side) for side in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{text!r}: expected millimetres a voxel along each axis, for instance 0.625,0.625,2.") from None


def found_classes(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """Names for as many classes as the references hold."""
    from semiseg.case import Case
    from semiseg.data.dataset import find_classes

    return find_classes(Case(pair.id, (), pair.reference, label_map=pair.label_map) for pair in pairs)
