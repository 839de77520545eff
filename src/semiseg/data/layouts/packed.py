"""The h5 packing of SSL4MIS: `data/CASE.h5` with image and label, and lists of cases (as its BraTS 2019)."""

from __future__ import annotations

from pathlib import Path

from semiseg.case import Case
from semiseg.data.dataset import Dataset
from semiseg.data.faults import LayoutError, Refuse, stop
from semiseg.data.layouts.description import Description
from semiseg.data.lists import read_list
from semiseg.data.preparation import Preparation

TITLE = "h5 files and lists"
LOOKED_FOR = "'data/' with h5 files, and train.txt or train.list (SSL4MIS)"
SUFFIXES = (".txt", ".list")
PACKED = Description(preparation=Preparation(normalize="none"))
"""These files were normalised before they were packed."""


def matches(folder: Path) -> bool:
    """Whether there are h5 files in `data/` and a list for training."""
    return _list(folder, "train") is not None and next((folder / "data").glob("*.h5"), None) is not None


def load(folder: Path, given: Description, refuse: Refuse = stop) -> Dataset:
    """Cases in the order of the lists; what is on none is left out. Every file has a label."""
    return PACKED.dataset(folder, listed_cases(folder, refuse), given, refuse)


def listed_cases(folder: Path, refuse: Refuse = stop) -> dict[str, tuple[Case, ...]]:
    """The cases by what they are for.

    Raises:
        DataError: a list names a case that is not there.
    """
    lists = {"train": "train", "validation": "val", "test": "test"}
    return {part: _cases(folder, name, refuse) for part, name in lists.items()}


def listed_names(folder: Path, part: str) -> list[str]:
    """The cases of train, val or test, in the order of the list; none where there is no list. A comma ends a name."""
    path = _list(folder, part)
    return [line.partition(",")[0].strip() for line in read_list(path)] if path is not None else []


def _list(folder: Path, part: str) -> Path | None:
    return next((folder / f"{part}{suffix}" for suffix in SUFFIXES if (folder / f"{part}{suffix}").is_file()), None)


def _cases(folder: Path, part: str, refuse: Refuse) -> tuple[Case, ...]:
    path, names = _list(folder, part), listed_names(folder, part)
    files = {name: folder / "data" / f"{name}.h5" for name in names}
    missing = [name for name, file in files.items() if not file.is_file()]
    for name in missing:
        message = f"{path}: names '{name}', for which there is no file in data/ ({len(missing)} of {len(names)} are missing)."
        refuse(LayoutError("unknown name", f"{message} Add the file, or take the name out.", name))
    return tuple(Case(name, (files[name],), files[name]) for name in names if name not in missing)
