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
from semiseg.errors import DataError

TITLE = "Medical Segmentation Decathlon (dataset.json)"
LOOKED_FOR = "dataset.json that lists 'training', and 'imagesTr/' (Medical Segmentation Decathlon)"


def matches(folder: Path) -> bool:
    """Whether `folder` has `dataset.json` and training images."""
    return (folder / NAME).is_file() and (folder / "imagesTr").is_dir()


def load(folder: Path, refuse: Refuse = stop) -> Dataset:
    """Cases in the order of `dataset.json`; a training scan without a label is unlabelled, and test scans have none."""
    content = read_dataset_json(folder)
    modalities = len(content.get("modality") or [""])
    train, test = (tuple(_cases(folder, content.get(part) or (), modalities)) for part in ("training", "test"))
    if not train:
        raise DataError(f"{folder / NAME}: 'training' lists no scan.")
    return description(content, folder / NAME).dataset(folder.resolve().name, train=train, test=test, refuse=refuse)


def _cases(folder: Path, entries: Iterable[Any], modalities: int) -> Iterable[Case]:
    for entry in entries:
        pair = entry if isinstance(entry, dict) else {"image": entry}
        if not isinstance(pair.get("image"), str):
            raise DataError(f"{folder / NAME}: a case is {entry!r}; expected a path, or {{image: path, label: path}}.")
        image, label = folder / pair["image"], pair.get("label")
        channels = (image,) if modalities == 1 else tuple(Channel(image, k) for k in range(modalities))
        yield Case(case_name(image), channels, folder / label if label else None)
