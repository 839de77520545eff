"""`semiseg predict` and `semiseg import-weights`: masks from a run folder, and a run folder from released weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semiseg.cli.output import FAILED, AsJson, Device, print_json, print_note, print_text
from semiseg.cli.run_options import RayAddress
from semiseg.writable import refuse_unwritable

if TYPE_CHECKING:
    from semiseg.inference.masks import PredictedFile


def predict(
    run: Annotated[Path, typer.Argument(help="The run folder.", show_default=False)],
    inputs: Annotated[
        list[Path], typer.Argument(help="Scans, folders of scans or of DICOM series, data folders or manifests.", show_default=False)
    ],
    to: Annotated[Path, typer.Option(help="Folder of the masks.", show_default=False)],
    others: Annotated[
        list[Path] | None,
        typer.Option("--with", metavar="RUN", help="Average with this run; may be repeated.", show_default=False),
    ] = None,
    flips: Annotated[
        bool | None,
        typer.Option("--flips/--no-flips", help="Average over mirrored patches: slower. Default: as the run says.", show_default=False),
    ] = None,
    selected: Annotated[
        bool, typer.Option("--selected", help="Use the weights that the run selected on validation or test cases. Default: the last.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Predict again what has a mask already.")] = False,
    uncertainty: Annotated[bool, typer.Option("--uncertainty", help="Also write maps of uncertainty, in percent.")] = False,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Also write a map of each class's probability, in percent.")
    ] = False,
    nifti: Annotated[bool, typer.Option("--nifti", help="Write NIfTI. Default: the scan's format; DICOM-SEG for a DICOM series.")] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, help="Scans at a time; they share the cores. Default: 1; with --ray one a GPU, or a machine.", show_default=False
        ),
    ] = None,
    ray: RayAddress = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Write a mask for each scan, in the scan's own geometry. Exit code 1: some scans failed, the others are done."""
    refuse_unwritable(to, "--to", folder=True)
    from semiseg.inference.files import maps_of, predict_at
    from semiseg.inference.inputs import find_cases
    from semiseg.inference.places import make_place
    from semiseg.inference.worker import Model
    from semiseg.training.progress import StepProgress

    model, maps = Model(run, tuple(others or ()), flips, selected), maps_of(uncertainty, probabilities)
    predictor, place = make_place(model, inputs, to, jobs, ray, device, maps)
    cases = find_cases(inputs, predictor.run.data.channels or 1)
    with StepProgress("predict", len(cases)) as bar:
        results = predict_at(place, cases, to, overwrite, lambda done, total: bar.update(done), nifti)
    report(results, to, as_json)
    if any(result.status == "failed" for result in results):
        raise typer.Exit(FAILED)


def report(results: Sequence[PredictedFile], to: Path, as_json: bool) -> None:
    """What became of the scans; on stderr too what failed, and how scans differ from those of the training."""
    from semiseg.inference.training_scans import in_words

    counts = Counter[str](result.status for result in results)
    warnings = in_words({result.source: result.differences for result in results if result.status == "predicted"})
    if as_json:
        numbers = {status: counts[status] for status in ("predicted", "skipped", "failed")}
        print_json({"to": to, **numbers, "warnings": warnings, "files": [asdict(result) for result in results]})
    else:
        said = {"predicted": "predicted", "skipped": "there already (--overwrite predicts them again)", "failed": "failed"}
        print_text(f"{to}: " + ", ".join(f"{counts[status]} {words}" for status, words in said.items() if counts[status]))
    for warning in warnings:
        print_note(f"warning: {warning}")
    for result in results:
        if result.status == "failed":
            print_note(
                f"failed: {result.message}" if str(result.source) in result.message else f"failed: {result.source}: {result.message}"
            )


def import_weights(
    file: Annotated[Path, typer.Argument(help="The .pth of the authors' code of CML.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The run folder to make.", show_default=False)],
    classes: Annotated[str | None, typer.Option(help="Names of the foreground classes: a,b,c.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Make a run folder that predicts out of released CML weights (LA, ACDC)."""
    from semiseg.inference.imported import import_weights as imported

    folder = imported(file, out, split_names(classes))
    run = folder.run()
    if as_json:
        print_json({"run": folder.path, "method": run.method, "classes": run.data.classes, "patch": run.training.patch})
    else:
        print_text(f"{folder.path}: {run.method}, classes {', '.join(run.data.classes)}")
        print_text(f"Predict with: semiseg predict {folder.path} SCANS --to MASKS")


def split_names(text: str | None) -> tuple[str, ...]:
    """`a, b` as ("a", "b")."""
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else ()
