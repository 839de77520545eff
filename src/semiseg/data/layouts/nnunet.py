"""The layout of nnU-Net's raw folders: `dataset.json`, `imagesTr/CASE_0000...`, `labelsTr/CASE...`, and `imagesTs/` for testing."""

from __future__ import annotations

from pathlib import Path

from semiseg.case import Case
from semiseg.data.dataset import Dataset
from semiseg.data.faults import Refuse, stop
from semiseg.data.layouts.dataset_json import NAME, description, read_dataset_json
from semiseg.data.layouts.description import Description
from semiseg.data.layouts.scans import NUMBERED, by_case, refuse_orphans, scan_files
from semiseg.data.layouts.unread import unread

TITLE = "nnU-Net raw (dataset.json)"
LOOKED_FOR = "dataset.json, 'imagesTr/' with CASE_0000 files, 'labelsTr/' (nnU-Net)"


def matches(folder: Path) -> bool:
    """Whether `folder` has `dataset.json` and numbered training images."""
    return (folder / NAME).is_file() and any(NUMBERED.fullmatch(name) for name in scan_files(folder / "imagesTr"))


def load(folder: Path, given: Description, refuse: Refuse = stop) -> Dataset:
    """A training image without a label is unlabelled; what lies in `imagesTs/` is for testing, labelled by `labelsTs/` if that is there."""
    described = description(read_dataset_json(folder), folder / NAME)
    left: list[Path] = []
    parts = {name: _cases(folder, part, left, refuse) for name, part in (("train", "Tr"), ("test", "Ts"))}
    return described.dataset(folder, parts, given, refuse, left)


def _cases(folder: Path, part: str, left: list[Path], refuse: Refuse) -> list[Case]:
    """The cases of `imagesTr` or `imagesTs`; what lies beside them and is no scan is added to `left`."""
    images, labels = (scan_files(folder / f"{kind}{part}", refuse) for kind in ("images", "labels"))
    left += [*unread(folder / f"images{part}", images, refuse), *unread(folder / f"labels{part}", labels, refuse)]
    scans = by_case(images, refuse)
    refuse_orphans(labels, scans, images, refuse)
    return [Case(name, paths, labels.get(name)) for name, paths in scans.items()]
