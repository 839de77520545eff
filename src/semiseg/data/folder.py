"""From a folder, or a manifest, to a data set: a known set by its files, else one of the layouts that people and other tools use."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from semiseg.data.dataset import Dataset
from semiseg.data.faults import Refuse, stop
from semiseg.data.known import KNOWN
from semiseg.data.layouts import LAYOUTS, manifest
from semiseg.data.layouts.description import NAME, read_description
from semiseg.errors import DataError


def open_folder(path: Path, classes: tuple[str, ...] | None = None, refuse: Refuse = stop) -> Dataset:
    """The data set in a folder, or of a manifest.

    A manifest in the folder is believed before any guess; then the known sets, then the layouts, each recognised by its own files.
    `dataset.yaml` is read in all of them, and goes before what the folder says of itself; a manifest it must not contradict.

    Args:
        path: a folder, or a manifest (.csv, .yaml).
        classes: names of the foreground classes, instead of those that the folder gives.
        refuse: what is done where a list names a case that is not there, a label has no image, a patient is in two parts: by default
            raise. Where it returns, the rest is opened.

    Raises:
        DataError: there is no such folder, or it is laid out in no way that is known (the message says which were looked for), a list
            names a case that is not there, a label has no image, `dataset.yaml` or the manifest says what cannot be.
    """
    path = Path(path)
    if not path.is_dir() and not manifest.matches(path):
        kind = "is no folder and no manifest (.csv, .yaml)" if path.exists() else "no such folder"
        raise DataError(f"{path}: {kind}.")
    for layout in (manifest, *KNOWN, *LAYOUTS):
        if layout.matches(path):
            given = read_description((path if path.is_dir() else path.parent) / NAME)
            dataset: Dataset = layout.load(path, given, refuse)
            return replace(dataset.with_classes(classes), layout=layout.TITLE)
    layouts = "; ".join(layout.LOOKED_FOR for layout in (*reversed(LAYOUTS), manifest, *KNOWN))
    raise DataError(f"{path}: no data set found. Looked for: {layouts}.")
