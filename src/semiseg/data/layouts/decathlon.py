"""The layout of the Medical Segmentation Decathlon: `dataset.json` lists the training pairs and the test scans, one file a scan.

Where it names several modalities, they lie along the fourth axis of each file (as in Task01_BrainTumour).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from semiseg.case import Case, Channel
from semiseg.data.dataset import Dataset
from semiseg.data.faults import Refuse, stop
from semiseg.data.formats import case_name
from semiseg.data.layouts.dataset_json import NAME, description, read_dataset_json
from semiseg.data.layouts.description import Description
from semiseg.errors import DataError

TITLE = "Medical Segmentation Decathlon (dataset.json)"
LOOKED_FOR = "dataset.json that lists 'training', and 'imagesTr/' (Medical Segmentation Decathlon)"


def matches(folder: Path) -> bool:
    """Whether `folder` has `dataset.json` and training images."""
    return (folder / NAME).is_file() and (folder / "imagesTr").is_dir()


def load(folder: Path, given: Description, refuse: Refuse = stop) -> Dataset:
    """Cases in the order of `dataset.json`; a training scan without a label is unlabelled, and test scans have none."""
    content = read_dataset_json(folder)
    modalities = len(content.get("modality") or [""])
    lists = {"train": content.get("training"), "test": content.get("test")}
    parts = {part: list(_cases(folder, entries or (), modalities)) for part, entries in lists.items()}
    if not parts["train"]:
        raise DataError(f"{folder / NAME}: 'training' lists no scan.")
    return description(content, folder / NAME).dataset(folder, parts, given, refuse)


def _cases(folder: Path, entries: Iterable[Any], modalities: int) -> Iterable[Case]:
    for entry in entries:
        pair = entry if isinstance(entry, dict) else {"image": entry}
        if not isinstance(pair.get("image"), str):
            raise DataError(f"{folder / NAME}: a case is {entry!r}; expected a path, or {{image: path, label: path}}.")
        image, label = folder / pair["image"], pair.get("label")
        channels = (image,) if modalities == 1 else tuple(Channel(image, k) for k in range(modalities))
        yield Case(case_name(image), channels, folder / label if label else None)
