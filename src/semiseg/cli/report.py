"""`semiseg report` and `semiseg compare`: pages on finished runs, with intervals and paired tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semiseg.cli.output import AsJson, Device, print_json, print_note, print_text

if TYPE_CHECKING:
    from semiseg.case import Case
    from semiseg.reporting.runs import Group
    from semiseg.run_folder import RunFolder


Scans = Annotated[bool, typer.Option("--scans/--no-scans", help="Show test scans. Without them the page holds no picture of a patient.")]


def report(
    runs: Annotated[list[Path], typer.Argument(help="Finished runs, or folders of runs.", show_default=False)],
    to: Annotated[
        Path | None, typer.Option(help="Folder of the report. Default: that of a single run or folder, else report.", show_default=False)
    ] = None,
    title: Annotated[str | None, typer.Option(help="Of the page.", show_default=False)] = None,
    published: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Also show published rows, such as la-8; those of a known data set come by themselves."),
    ] = None,
    maps: Annotated[bool, typer.Option(help="Predict the scans of the pictures again to show where a method's views disagree.")] = True,
    scans: Scans = True,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Write report.html and tables/ (Markdown, CSV, LaTeX) on finished runs; runs that differ in seed or label draw alone go together.

    Runs on several data sets get a page each.
    """
    from semiseg.reporting.runs import by_test_set, grouped, read_trainings

    trainings, unfinished = read_trainings(dict.fromkeys(runs))
    if unfinished:
        print_note(f"{len(unfinished)} of {len(trainings) + len(unfinished)} runs have no scores yet and are left out: {some(unfinished)}.")
    folder = to or (runs[0] if len(runs) == 1 else Path("report"))
    sets = by_test_set(grouped(trainings))
    pages = []
    for number, groups in enumerate(sets, start=1):
        place = folder if len(sets) == 1 else folder / f"report-{number}"
        pages.append(write_page(groups, place, title, published or [], find_scans(groups[0].folder, scans), maps, device))
    if as_json:
        print_json({**pages[0], "left_out": unfinished} if len(pages) == 1 else {"pages": pages, "left_out": unfinished})
    else:
        print_text("\n\n".join(f"{page['summary']}\nreport: {page['report']}\ntables: {page['tables']}" for page in pages))


def write_page(
    groups: Sequence[Group],
    folder: Path,
    title: str | None,
    beside: Sequence[str],
    scans: tuple[tuple[Case, ...], str],
    maps: bool,
    device: str,
) -> dict[str, Any]:
    """One page with its tables; returns what to tell of it. `scans`: of `find_scans`."""
    from semiseg.methods import find_method
    from semiseg.reporting import comparison
    from semiseg.reporting.files import write_files
    from semiseg.reporting.pictures import Disagreement

    methods = dict.fromkeys(find_method(group.folder.run().method).title for group in groups)
    look = Disagreement(device) if maps else None
    page = comparison.report(title or ", ".join(methods), groups, *scans, look, beside)
    write_files(page, folder / "report.html")
    return {"report": folder / "report.html", "tables": folder / "tables", "summary": page.summary}


def some(paths: Sequence[Path], count: int = 3) -> str:
    """The first few of many."""
    return ", ".join(map(str, paths[:count])) + (", ..." if len(paths) > count else "")


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="A... B...", help="Two finished runs, or several seeds of each of two methods.", show_default=False),
    ],
    to: Annotated[Path, typer.Option(help="Folder of the page.")] = Path("comparison"),
    scans: Scans = True,
    as_json: AsJson = False,
) -> None:
    """Compare two runs scan by scan: differences by class with interval and p, and pictures of where they differ most.

    Of more than two runs, those that differ in seed, label draw or fold alone go together, and there must be two such groups: then the
    interval knows what seeds change. A is the method of the first run.
    """
    from semiseg.reporting.files import write_files
    from semiseg.reporting.pair import difference_tables, pair_groups, pair_report
    from semiseg.reporting.runs import read_training

    if len(runs) < 2:
        raise typer.BadParameter("give two runs or more.", param_hint="A... B...")
    group, control = pair_groups([read_training(run) for run in dict.fromkeys(runs)])
    test, missing = find_scans(group.folder, scans)
    page = pair_report(group, control, test, missing)
    write_files(page, to / "compare.html")
    tables = difference_tables(group, control)
    if as_json:
        rows = {title: [dict(zip(table.head, row, strict=True)) for row in table.rows] for title, table in tables.items()}
        print_json({"report": to / "compare.html", "tables": to / "tables", "summary": page.summary, "differences": rows})
    else:
        print_text(
            "\n".join([page.summary, *(f"\n{title}\n{table.plain()}" for title, table in tables.items()), f"report: {to / 'compare.html'}"])
        )


def find_scans(folder: RunFolder, wanted: bool) -> tuple[tuple[Case, ...], str]:
    """The test scans of a run, or why there are none to show; then a note says so, unless none are wanted."""
    from semiseg.errors import DataError
    from semiseg.reporting.runs import find_test_cases

    if not wanted:
        return (), "they were left out with --no-scans"
    try:
        return find_test_cases(folder), ""
    except DataError as error:
        print_note(f"The report goes without pictures: {error}")
        return (), str(error).rstrip(".")
