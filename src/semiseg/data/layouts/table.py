"""A table as CSV, as people and spreadsheets write it: its delimiter, what lines with # say, and the lines by their columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from semiseg.errors import DataError, did_you_mean

DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Table:
    """What a CSV holds.

    Attributes:
        comments: the lines that begin with #, without it.
        lines: (number in the file, column -> cell) of the others but the head; a cell that is missing at the end has no column here.
    """

    comments: tuple[str, ...]
    lines: tuple[tuple[int, dict[str, str]], ...]


def read_table(file: Path, columns: Collection[str], needed: str) -> Table:
    """The table in a CSV. Empty lines, empty cells behind the last column, and columns without a name are passed over.

    Args:
        file: UTF-8; cells end with a comma, a semicolon or a tab, whichever the first line has most of.
        columns: all that there may be, in lower case.
        needed: the one that must be there.

    Raises:
        DataError: not UTF-8, an unknown column, `needed` is missing, or a line has more cells than there are columns.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: is not text in UTF-8 ({error}). Save it again as CSV UTF-8.") from error
    first = next((line for line in text.splitlines() if line.strip(" \"',;\t") and not line.lstrip('"').startswith("#")), "")
    delimiter = max(DELIMITERS, key=first.count)  # spreadsheets write what their language uses
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    lines = [(reader.line_num, line) for line in reader if any(cell.strip() for cell in line)]
    comments = [delimiter.join(line).rstrip(delimiter)[1:].removeprefix(" ") for _, line in lines if line[0].startswith("#")]
    table = [(number, line) for number, line in lines if not line[0].startswith("#")]
    head = [cell.strip().lower() for cell in table[0][1]] if table else []
    unknown = [name for name in head if name and name not in columns]
    if unknown or needed not in head:
        what = f"unknown column '{unknown[0]}'{did_you_mean(unknown[0], columns)}" if unknown else f"has no column '{needed}'"
        raise DataError(f"{file}: {what}. Columns: {', '.join(columns)}.")
    return Table(
        tuple(comments), tuple((number, _by_column(line, head, f"{file}: line {number}", delimiter)) for number, line in table[1:])
    )


def _by_column(line: Sequence[str], head: Sequence[str], place: str, delimiter: str) -> dict[str, str]:
    cells = [cell.strip() for cell in line]
    for k, cell in enumerate(cells[len(head) :], start=len(head) + 1):
        if cell:
            raise DataError(
                f"{place}: cell {k} ('{cell}') is one more than there are columns ({len(head)}). Put a cell that holds '{delimiter}' "
                "into double quotes, or take it out."
            )
    return {name: cell for name, cell in zip(head, cells, strict=False) if name}


def write_table(comments: Sequence[str], columns: Sequence[str], lines: Sequence[Mapping[str, str]]) -> str:
    """The opposite of `read_table`, as text with commas."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([f"# {line}"] for line in comments)
    writer.writerow(columns)
    writer.writerows([line[name] for name in columns] for line in lines)
    return text.getvalue()
