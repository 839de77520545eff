"""The `dataset.json` of nnU-Net and of the Medical Segmentation Decathlon: its classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from semiseg.data.labels import IGNORED
from semiseg.data.layouts.description import Description
from semiseg.errors import DataError

NAME = "dataset.json"


def read_dataset_json(folder: Path) -> dict[str, Any]:
    """The content of `dataset.json`.

    Raises:
        DataError: not JSON, or without labels.
    """
    path = folder / NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: is not JSON ({error}).") from error
    if not isinstance(content, dict) or not isinstance(content.get("labels"), dict):
        raise DataError(f"{path}: has no 'labels', which name the classes.")
    return content


def description(content: dict[str, Any], path: Path) -> Description:
    """Name and classes; values with gaps between them are renumbered in their order.

    A label named `ignore` is no class: nobody labelled such voxels (nnU-Net, where it has the highest value).

    Raises:
        DataError: a label has several values (nnU-Net's regions) or none.
    """
    values: dict[int, str] = {}
    ignored: list[int] = []
    for left, right in content["labels"].items():
        value, name = (left, right) if str(left).isdigit() else (right, left)
        if not str(value).isdigit():
            raise DataError(f"{path}: label '{name}' has the value {value}; expected one whole number. Overlapping regions are not read.")
        if str(name).lower() == IGNORED:
            ignored.append(int(value))
        elif int(value) > 0:
            values[int(value)] = str(name)
    if not values:
        raise DataError(f"{path}: 'labels' names no class but the background.")
    numbers = {value: k for k, value in enumerate(sorted(values), start=1)}
    return Description(
        name=content.get("name") or None,
        classes=tuple(values[value] for value in sorted(values)),
        label_map={value: k for value, k in numbers.items() if value != k},
        ignore=tuple(ignored),
    )
