"""`semiseg report` and `semiseg compare`: pages on finished runs, with intervals and paired tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semiseg.cli.output import AsJson, print_json, print_note, print_text

if TYPE_CHECKING:
    from semiseg.case import Case
    from semiseg.run_folder import RunFolder


def report(
    runs: Annotated[list[Path], typer.Argument(help="Finished run folders.", show_default=False)],
    to: Annotated[
        Path | None, typer.Option(help="Folder of the report. Default: that of a single run, else report.", show_default=False)
    ] = None,
    title: Annotated[str | None, typer.Option(help="Of the page.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Write report.html and tables/ (Markdown, CSV, LaTeX) on finished runs; runs that differ in seed or label draw alone go together."""
    from semiseg.methods import find_method
    from semiseg.reporting import comparison
    from semiseg.reporting.files import write_files
    from semiseg.reporting.runs import grouped, read_training

    groups = grouped([read_training(run) for run in dict.fromkeys(runs)])
    test, missing = find_scans(groups[0].folder)
    folder = to or (runs[0] if len(runs) == 1 else Path("report"))
    methods = dict.fromkeys(find_method(group.folder.run().method).title for group in groups)
    page = comparison.report(title or ", ".join(methods), groups, test, missing)
    write_files(page, folder / "report.html")
    told = {"report": folder / "report.html", "tables": folder / "tables", "summary": page.summary}
    if as_json:
        print_json(told)
    else:
        print_text(f"{page.summary}\nreport: {told['report']}\ntables: {told['tables']}")


def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="A finished run folder.", show_default=False)],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another, scored on the same scans.", show_default=False)],
    to: Annotated[Path, typer.Option(help="Folder of the page.")] = Path("comparison"),
    as_json: AsJson = False,
) -> None:
    """Compare two runs scan by scan: differences by class with interval and p, and pictures of where they differ most."""
    from semiseg.reporting.files import write_files
    from semiseg.reporting.pair import difference_tables, pair_groups, pair_report
    from semiseg.reporting.runs import read_training

    group, control = pair_groups(read_training(first), read_training(second))
    test, missing = find_scans(group.folder)
    page = pair_report(group, control, test, missing)
    write_files(page, to / "compare.html")
    tables = difference_tables(group, control)
    if as_json:
        rows = {title: [dict(zip(table.head, row, strict=True)) for row in table.rows] for title, table in tables.items()}
        print_json({"report": to / "compare.html", "tables": to / "tables", "summary": page.summary, "differences": rows})
    else:
        print_text("\n".join([page.summary, *(f"\n{table.plain()}" for table in tables.values()), f"report: {to / 'compare.html'}"]))


def find_scans(folder: RunFolder) -> tuple[tuple[Case, ...], str]:
    """The test scans of a run, or why there are none to show; then a note says so."""
    from semiseg.errors import DataError
    from semiseg.reporting.runs import find_test_cases

    try:
        return find_test_cases(folder), ""
    except DataError as error:
        print_note(f"The report goes without pictures: {error}")
        return (), str(error).rstrip(".")
