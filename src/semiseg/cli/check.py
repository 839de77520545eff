"""`semiseg check`: what is wrong with a data folder, file by file, before anything is trained on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from semiseg.cli.label_map import LabelMap
from semiseg.cli.output import FAILED, AsJson, print_json, print_note, print_text

if TYPE_CHECKING:
    from semiseg.data.dataset import Dataset
    from semiseg.data.faults import LayoutError
    from semiseg.data.look import Finding
    from semiseg.reporting.check_page import Album


def check(
    data: Annotated[Path, typer.Argument(help="The data folder, or a manifest.", show_default=False)],
    label_map: LabelMap = None,
    html: Annotated[
        Path | None, typer.Option(help="Also write a page with a picture of each scan and its label.", show_default=False)
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Files read at once.")] = 4,
    as_json: AsJson = False,
) -> None:
    """Open every file once and say what is wrong with which, and the way out. Exit code 1: there are errors."""
    from semiseg.data.folder import open_folder
    from semiseg.data.inspection import inspect
    from semiseg.training.progress import StepProgress

    if html is not None and data.is_dir() and html.resolve().is_relative_to(data.resolve()):
        raise typer.BadParameter(f"{html} lies in the data folder, which is not written to.", param_hint="--html")
    faults: list[LayoutError] = []
    dataset = open_folder(data, refuse=faults.append).relabeled(label_map or {})
    with album(html) as pictures:
        with StepProgress("check", sum(map(len, dataset.parts.values()))) as bar:
            see = None if pictures is None else pictures.add
            found = inspect(dataset, workers, lambda done, total: bar.update(done), see, faults)
        if html is not None and pictures is not None:
            write_page(html, data, dataset, found, pictures)
    report(dataset, found, as_json)
    if any(finding.severity == "error" for finding in found):
        raise typer.Exit(FAILED)


@contextmanager
def album(page: Path | None) -> Iterator[Album | None]:
    """Where pictures are kept until the page is written; nothing without a page."""
    if page is None:
        yield None
        return
    from semiseg.reporting.check_page import Album

    with TemporaryDirectory(prefix="semiseg-check-") as folder:
        yield Album(Path(folder))


def write_page(page: Path, data: Path, dataset: Dataset, found: list[Finding], pictures: Album) -> None:
    """The page as a file."""
    from semiseg.reporting.check_page import check_page

    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(check_page(dataset, found, pictures, data), encoding="utf-8")
    print_note(f"{page}: {page.stat().st_size / 1e6:.1f} MB")


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
