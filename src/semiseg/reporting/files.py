"""A report as files: the page, and its tables as Markdown, LaTeX and CSV."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from semiseg.reporting.html import Report, write_report
from semiseg.reporting.tables import Table


def write_files(report: Report, page: Path) -> None:
    """Write the page, and beside it `tables/`: tables.md, tables.tex and one .csv a table."""
    tables = page.parent / "tables"
    tables.mkdir(parents=True, exist_ok=True)
    write_report(report, page)
    (tables / "tables.md").write_text(markdown(report), encoding="utf-8")
    (tables / "tables.tex").write_text(latex(report), encoding="utf-8")
    for section in report.sections:
        for number, (_, table) in enumerate(section.tables, start=1):
            name = re.sub(r"\W+", "-", section.title.lower())
            (tables / f"{name}-{number}.csv").write_text(with_origin(table, report).csv(), encoding="utf-8")


def with_origin(table: Table, report: Report) -> Table:
    """A table of numbers with the origin as its last columns, as the score files have it."""
    if not table.numeric or not report.origin:
        return table
    return replace(table, head=(*table.head, *report.origin), rows=tuple((*row, *report.origin.values()) for row in table.rows))


def captioned(caption: str, table: Table, report: Report) -> str:
    """The caption of a table of numbers says where they come from."""
    return f"{caption} {report.origin_line()}." if table.numeric and report.origin else caption


def markdown(report: Report) -> str:
    """All text and tables of the report."""
    parts = [f"# {report.title}", report.summary, report.protocol]
    for section in report.sections:
        parts += [f"## {section.title}", *([section.text] if section.text else [])]
        parts += ["\n".join(f"- {line}" for line in section.lines)] if section.lines else []
        parts += [f"{captioned(caption, table, report)}\n\n{table.markdown().rstrip()}" for caption, table in section.tables]
    return "\n\n".join(parts) + "\n"


def latex(report: Report) -> str:
    """All tables, each a float of its own."""
    return "\n".join(table.latex(captioned(caption, table, report)) for section in report.sections for caption, table in section.tables)
