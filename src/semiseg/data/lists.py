"""Lists of case ids, one a line, as data sets ship them."""

from __future__ import annotations

from pathlib import Path

from semiseg.errors import DataError


def read_list(path: Path) -> tuple[str, ...]:
    """The ids in the order of the file; blank lines and Windows line ends are ignored.

    Raises:
        DataError: the file is missing, is not text, or names no case.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: the list of cases cannot be read ({error}).") from error
    ids = tuple(line.strip() for line in lines if line.strip())
    if not ids:
        raise DataError(f"{path}: names no case; expected one id a line.")
    return ids
