"""A report as files: the page, and its tables as Markdown, LaTeX and CSV."""

from __future__ import annotations

import re
from pathlib import Path

from semiseg.reporting.html import Report, write_report


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
            (tables / f"{name}-{number}.csv").write_text(table.csv(), encoding="utf-8")


def markdown(report: Report) -> str:
    """All text and tables of the report."""
    parts = [f"# {report.title}", report.summary, report.protocol]
    for section in report.sections:
        parts += [f"## {section.title}", *([section.text] if section.text else [])]
        parts += [f"{caption}\n\n{table.markdown().rstrip()}" for caption, table in section.tables]
    return "\n\n".join(parts) + "\n"


def latex(report: Report) -> str:
    """All tables, each a float of its own."""
    return "\n".join(table.latex(caption) for section in report.sections for caption, table in section.tables)
