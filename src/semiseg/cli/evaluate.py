"""`semiseg evaluate`: scores of masks against reference masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semiseg.cli.label_map import LabelMap, PredictionLabelMap
from semiseg.cli.output import AsJson, print_json, print_text
from semiseg.cli.predict import split_names
from semiseg.errors import DataError
from semiseg.evaluation.partial import partial, reasons
from semiseg.writable import refuse_unwritable

if TYPE_CHECKING:
    from semiseg.evaluation.results import Evaluation

LISTED = 20
"""Cases that could not be scored of which the reason is printed."""


def evaluate(
    predictions: Annotated[Path, typer.Argument(help="A mask, or a folder of masks.", show_default=False)],
    references: Annotated[Path, typer.Argument(help="The true mask, or a folder of them.", show_default=False)],
    classes: Annotated[
        str | None, typer.Option(help="Names of the classes 1, 2, ...: a,b,c. Default: class_1, ... as the references hold.")
    ] = None,
    label_map: LabelMap = None,
    prediction_label_map: PredictionLabelMap = None,
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
    """Dice, Jaccard, HD95 and surface distances, per class and case. Exit code 1: some cases could not be scored, the others are."""
    if to is not None and to.suffix not in (".csv", ".json"):
        raise typer.BadParameter(f"{to}: expected a name that ends with .csv or .json.", param_hint="--to")
    if to is not None:
        refuse_unwritable(to, "--to")
    from semiseg.case import IGNORE
    from semiseg.evaluation.evaluate import evaluate_readable, found_classes, match_pairs
    from semiseg.training.progress import StepProgress

    sides, values = parse_spacing(spacing), {**(label_map or {}), **dict.fromkeys(ignore or (), IGNORE)}
    pairs = [
        replace(pair, spacing=sides, label_map=values, prediction_label_map=prediction_label_map or {})
        for pair in match_pairs(predictions, references, allow_missing)
    ]
    names = split_names(classes) or found_classes(pairs)
    with StepProgress("evaluate", len(pairs)) as bar:
        evaluation, failed = evaluate_readable(pairs, names, workers, lambda done, total: bar.update(done))
    if evaluation is not None:
        report(evaluation, failed, as_json)
        to = write(evaluation, to, partly=bool(failed))
    if failed:
        raise DataError(unscored(failed, len(pairs), to if evaluation is not None else None))


def report(evaluation: Evaluation, failed: Mapping[str, str], as_json: bool) -> None:
    """The scores on stdout, which say of how many cases they are."""
    if as_json:
        print_json({**evaluation.as_dict(), "not_scored": failed})
        return
    print_text(evaluation.to_text())
    if failed:
        print_text(f"{_share(failed, len(failed) + len(evaluation.cases))} could not be scored and are in no average.")


def write(evaluation: Evaluation, to: Path | None, partly: bool) -> Path | None:
    """Write every score to `to`, or beside it to a file whose name says that cases are missing; gives the file."""
    if to is None:
        return None
    file = partial(to) if partly else to
    file.parent.mkdir(parents=True, exist_ok=True)
    (evaluation.to_csv if file.suffix == ".csv" else evaluation.to_json)(file)
    return file


def unscored(failed: Mapping[str, str], count: int, file: Path | None) -> str:
    """Which cases could not be scored, and why."""
    kept = f" The scores of the others are in {file}." if file is not None else ""
    return "\n".join([f"{_share(failed, count)} could not be scored.{kept}", *reasons(failed, LISTED, " (--json lists all)")])


def _share(failed: Mapping[str, str], count: int) -> str:
    return f"{len(failed)} of {count} cases"


def parse_spacing(text: str | None) -> tuple[float, ...] | None:
    """`0.625,0.625,2` as numbers."""
    try:
        return None if text is None else tuple(float(side) for side in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{text!r}: expected millimetres a voxel along each axis, for instance 0.625,0.625,2.") from None
