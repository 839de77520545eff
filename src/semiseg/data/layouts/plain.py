"""The plain folder: `images/`, `labels/` for those that are labelled, and what a person adds: lists and `dataset.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from semiseg.case import Case, Source
from semiseg.data.dataset import Dataset
from semiseg.data.faults import Refuse, some, stop
from semiseg.data.formats import label_source
from semiseg.data.layouts.description import Description
from semiseg.data.layouts.scans import SCAN_SUFFIXES, are_numbered, by_case, listed_parts, refuse_orphans, scan_files
from semiseg.data.layouts.series import patients
from semiseg.data.layouts.unread import others, unread
from semiseg.errors import DataError

TITLE = "images/ and labels/"
LOOKED_FOR = "'images/' with scans, 'labels/' for those that are labelled, and if you like train.list, val.list, test.list, dataset.yaml"


def matches(folder: Path) -> bool:
    """Whether `folder` has `images/`."""
    return (folder / "images").is_dir()


def load(folder: Path, given: Description, refuse: Refuse = stop) -> Dataset:
    """An image without a label of the same name is unlabelled; without lists every case is for training.

    Several modalities are told apart by `_0000`, `_0001`, ... behind the case's name, which its label does not have. DICOM series of one
    patient are one group, unless `dataset.yaml` says otherwise.
    """
    images, labels = (scan_files(folder / part, refuse) for part in ("images", "labels"))
    if not images:
        found = others(folder / "images", images)
        raise DataError(
            f"{folder / 'images'}: holds no scans; expected files that end with {', '.join(SCAN_SUFFIXES)}, or folders of DICOM slices"
            + (f". It holds {some(found)}: convert them." if found else ".")
        )
    left = (*unread(folder / "images", images, refuse), *unread(folder / "labels", labels, refuse))
    cases = _cases(images, labels, refuse)
    return Description().dataset(folder, listed_parts(folder, cases, refuse), given, refuse, left)


def _cases(images: Mapping[str, Path], labels: Mapping[str, Path], refuse: Refuse) -> dict[str, Case]:
    several = are_numbered(images, labels)
    scans = by_case(images, refuse) if several else {name: (path,) for name, path in images.items()}
    refuse_orphans(labels, scans, images, refuse)
    groups = patients(scans)
    return {name: Case(name, paths, _label(labels.get(name), paths), group=groups.get(name, "")) for name, paths in scans.items()}


def _label(label: Path | None, images: tuple[Path, ...]) -> Source | None:
    return None if label is None else label_source(label, images[0])
