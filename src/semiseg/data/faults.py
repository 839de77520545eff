"""Rules that a folder breaks: a training stops at the first, and `semiseg check` notes them all and goes on with the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from semiseg.errors import DataError


class LayoutError(DataError):
    """A rule of a data set that does not hold.

    Attributes:
        kind: in two or three words: orphan label, missing modality, two files, unknown name, unread files, description, case
            twice, patient in two parts.
        case: the id of the case that it is about; empty where it is about none.
    """

    def __init__(self, kind: str, message: str, case: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.case = case


SHOWN = 3
"""Files that a message names."""

Refuse = Callable[[LayoutError], None]
"""What is done about a fault. Where it returns, the reader goes on without what is at fault."""


def stop(fault: LayoutError) -> None:
    """Raise it: what every reader does unless told otherwise."""
    raise fault


def some(paths: Sequence[Path]) -> str:
    """How many files there are, and the first of them by name."""
    names = ", ".join(path.name + "/" * path.is_dir() for path in paths[:SHOWN])
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return f"{len(paths)} {'file' if len(paths) == 1 else 'files'} ({names}{more})"
