"""`semiseg prepare-brats2019`: the folders of BraTS 2019 as published semi-supervised runs train on them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semiseg.cli.output import AsJson, print_json, print_text


def prepare_brats2019(
    data: Annotated[Path, typer.Argument(help="The downloaded folder: cases, or HGG/ and LGG/ with cases.", show_default=False)],
    to: Annotated[Path, typer.Option(help="The folder to make.", show_default=False)],
    lists: Annotated[
        Path | None, typer.Option(help="A folder with train.txt, val.txt and test.txt. Default: all cases, no lists.", show_default=False)
    ] = None,
    released: Annotated[
        bool, typer.Option("--released", help="Crop as the released code does: without the last plane of each axis.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Cases prepared at once.")] = 4,
    as_json: AsJson = False,
) -> None:
    """FLAIR and the whole tumour, cropped to the brain and normalised as published. Then: semiseg train TO --config brats2019."""
    from semiseg.data import brats2019
    from semiseg.data.layouts.brats import case_files
    from semiseg.training.progress import StepProgress

    with StepProgress("prepare", len(case_files(data))) as bar:
        count = brats2019.prepare_brats2019(data, to, lists, released, workers, lambda done, total: bar.update(done))
    if as_json:
        print_json({"folder": to, "cases": count, "released": released})
    else:
        print_text(f"{to}: {count} cases")
