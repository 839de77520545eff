"""How commands speak: results on stdout (text or JSON), progress and errors on stderr, exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from semiseg.errors import OtherProcessError, SemisegError

WIDE = 160
FAILED = 1
STOPPED_EARLY = 3
"""The training can be resumed."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]


class Group(TyperGroup):
    """Commands whose expected errors and files that the system refuses are one red sentence and exit code 1; `--debug` adds a traceback."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let `--debug` stand anywhere on the line."""
        debug = ["--debug"] if "--debug" in args else []
        return super().parse_args(ctx, debug + [arg for arg in args if arg != "--debug"])

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except OtherProcessError as error:
            raise typer.Exit from error  # the first process says it, and fails
        except (SemisegError, OSError) as error:
            sentence = str(error) if isinstance(error, SemisegError) else refused(error)
            if ctx.params["debug"] or sentence is None:
                raise
            Console(stderr=True, soft_wrap=True).print(Text(sentence, style="red"))
            raise typer.Exit(FAILED) from error


def refused(error: OSError) -> str | None:
    """What the system would not do with a file or folder; None where it names none, which no user can mend."""
    if error.filename is None or error.strerror is None:
        return None
    return f"{error.filename}: cannot be read or written ({error.strerror}). Choose another place, or ask for access to this one."


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    typer.echo(json.dumps(value, indent=2, default=_plain, allow_nan=False))


def print_note(text: str) -> None:
    """A line on stderr."""
    Console(stderr=True, soft_wrap=True).print(Text(text))


def print_text(text: str) -> None:
    """Plain text on stdout."""
    typer.echo(text.rstrip("\n"))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on stdout, its last column wrapped; as wide as a file may be where there is no terminal to fit."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, no_wrap=column != columns[-1])
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console() if Console().is_terminal else Console(width=WIDE)
    console.print(table)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"not for JSON: {type(value).__name__}")
