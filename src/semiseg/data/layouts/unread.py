"""What lies among the scans of a folder and is none that can be read: told, and refused where it is more than the scans."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from semiseg.data.faults import LayoutError, Refuse, some, stop
from semiseg.data.formats.common import suffix

DOCUMENTS = (
    ".txt",
    ".md",
    ".rst",
    ".csv",
    ".tsv",
    ".xlsx",
    ".json",
    ".yaml",
    ".yml",
    ".xml",
    ".html",
    ".pdf",
    ".docx",
    ".log",
    ".ini",
    ".db",
)
"""Nobody takes these for scans."""


def others(folder: Path, scans: Collection[str]) -> tuple[Path, ...]:
    """The files and folders in `folder` that are no scan, sorted.

    Left out are hidden files, documents, empty folders, and what has the name of a scan with another ending (`a.raw` of `a.mhd`).

    Args:
        folder: may be missing.
        scans: names of the scans that were found in it.
    """
    return tuple(path for path in sorted(folder.iterdir()) if not _is_left_out(path, scans)) if folder.is_dir() else ()


def unread(folder: Path, scans: Collection[str], refuse: Refuse = stop) -> tuple[Path, ...]:
    """As `others`, but refused, and then none, where they are more than the scans. One file stops nobody."""
    found = others(folder, scans)
    if len(found) <= max(len(scans), 1):
        return found
    message = f"{folder}: {some(found)} cannot be read as scans, and {len(scans)} can. Convert them to NIfTI, or take them out."
    refuse(LayoutError("unread files", message))
    return ()


def _is_left_out(path: Path, scans: Collection[str]) -> bool:
    if path.name.startswith(".") or suffix(path) in DOCUMENTS:
        return True
    if path.is_dir() and not any(not below.name.startswith(".") for below in path.iterdir()):
        return True
    words = path.name.split(".")
    return any(".".join(words[:k]) in scans for k in range(1, len(words) + 1))
