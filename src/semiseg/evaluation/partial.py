"""Scores that lack cases which could not be read: what their files are called, and how the reasons are listed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PARTIAL = "-partial"
"""Ends the names of score files that lack cases, so that nobody takes them for all."""


def partial(path: Path) -> Path:
    """`scores-partial.csv` for `scores.csv`."""
    return path.with_name(f"{path.stem}{PARTIAL}{path.suffix}")


def reasons(failed: Mapping[str, str], most: int, where: str = "") -> list[str]:
    """A line for each case that could not be scored, up to `most`, and how many more there are; `where` says where those are told."""
    more = [f"- and {len(failed) - most} more{where}"] if len(failed) > most else []
    return [*(f"- {reason}" for reason in list(failed.values())[:most]), *more]
