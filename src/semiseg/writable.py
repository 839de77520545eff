"""Whether something can be written, asked before hours of work."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile

from semiseg.errors import SettingsError


def refuse_unwritable(path: Path, option: str, folder: bool = False) -> None:
    """Refuse a file (or folder) that cannot be written; folders on the way to it may be missing. It is tried, and nothing is left.

    Args:
        path: what is to be written.
        option: that named it.
        folder: whether it is to be one.

    Raises:
        SettingsError: a folder stands in a file's place or a file in a folder's, or the system does not let us write there.
    """
    kind, other = ("folder", "file") if folder else ("file", "folder")
    if path.exists() and path.is_dir() != folder:
        raise SettingsError(f"{path}: is a {other}. Name a {kind} with {option}.")
    holder = path if folder else path.parent
    missing = [place for place in (holder, *holder.parents) if not place.exists()]
    try:
        holder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=holder).close()
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written ({holder}: {error.strerror}). Name another {kind} with {option}.") from error
    finally:
        for place in missing:
            if place.is_dir():
                place.rmdir()
