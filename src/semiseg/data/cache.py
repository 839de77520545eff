"""Arrays that are made once and kept as .npy files, found again by what they were made from."""

from __future__ import annotations

import hashlib
import math
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from semiseg.case import Array, Channel, Source, file_of
from semiseg.data.formats import files_of
from semiseg.errors import DataError

VERSION = 1
"""To be raised by whoever changes what is stored: old files are then no longer found."""


class CacheError(DataError):
    """The cache cannot be written to: no fault of a case."""


def default_folder() -> Path:
    """$SEMISEG_CACHE, else $XDG_CACHE_HOME/semiseg, else ~/.cache/semiseg."""
    if "SEMISEG_CACHE" in os.environ:
        return Path(os.environ["SEMISEG_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "semiseg"


class Cache:
    """A folder of arrays. Several processes may use it at once; it may be deleted at any time between runs."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_folder()

    def get(self, sources: Sequence[Source], recipe: str, make: Callable[[], Array]) -> Array:
        """The array that `make` makes from `sources`, memory-mapped (copy on write: what is written to it stays in memory).

        It is found by path, size and time of change of each file, by `recipe` and by `VERSION`. With a source in memory nothing is kept.

        Raises:
            CacheError: the folder cannot be written to.
        """
        if any(file_of(source) is None for source in sources):
            return make()
        path = self.folder / f"{_key(sources, recipe)}.npy"
        stored = _load(path)
        if stored is not None:
            return stored
        array = make()
        self._store(path, array)
        stored = _load(path)
        return array if stored is None else stored

    def _store(self, path: Path, array: Array) -> None:
        partial = path.with_name(f".{path.stem}-{os.getpid()}-{threading.get_ident()}.npy")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(partial, np.ascontiguousarray(array))
            partial.replace(path)
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise CacheError(
                f"{self.folder}: prepared scans cannot be kept here ({error}). Free some space, or set SEMISEG_CACHE to another folder."
            ) from error


def _load(path: Path) -> Array | None:
    """The array in a .npy file, mapped without keeping the file open; None if it is not there, or was cut short when a machine went down.

    `numpy.load(mmap_mode=...)` keeps a file descriptor an array, and a data set of slices has more files than a process may have open.
    """
    try:
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            start = file.tell()
    except (OSError, ValueError):
        return None
    size = path.stat().st_size
    if size != start + dtype.itemsize * math.prod(shape):
        return None
    content = torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8).numpy()
    array: Array = content[start:].view(dtype).reshape(shape)
    return array


def _key(sources: Sequence[Source], recipe: str) -> str:
    lines = [f"version {VERSION}", recipe]
    for source in sources:
        for path in files_of(source):
            stat = path.stat()
            channel = f" {source.index}" if isinstance(source, Channel) else ""
            lines.append(f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}{channel}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]
