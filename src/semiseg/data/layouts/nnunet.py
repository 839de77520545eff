"""The layout of nnU-Net's raw folders: `dataset.json`, `imagesTr/CASE_0000...`, `labelsTr/CASE...`, and `imagesTs/` for testing."""

from __future__ import annotations

from pathlib import Path

from semiseg.case import Case
from semiseg.data.dataset import Dataset
from semiseg.data.faults import Refuse, stop
from semiseg.data.layouts.dataset_json import NAME, description, read_dataset_json
from semiseg.data.layouts.scans import NUMBERED, by_case, refuse_orphans, scan_files

TITLE = "nnU-Net raw (dataset.json)"
LOOKED_FOR = "dataset.json, 'imagesTr/' with CASE_0000 files, 'labelsTr/' (nnU-Net)"


def matches(folder: Path) -> bool:
    """Whether `folder` has `dataset.json` and numbered training images."""
    return (folder / NAME).is_file() and any(NUMBERED.fullmatch(name) for name in scan_files(folder / "imagesTr"))


def load(folder: Path, refuse: Refuse = stop) -> Dataset:
    """A training image without a label is unlabelled; what lies in `imagesTs/` is for testing, labelled by `labelsTs/` if that is there."""
    described = description(read_dataset_json(folder), folder / NAME)
    train, test = (_cases(folder, part, refuse) for part in ("Tr", "Ts"))
    return described.dataset(folder.resolve().name, train=train, test=test, refuse=refuse)


def _cases(folder: Path, part: str, refuse: Refuse) -> tuple[Case, ...]:
    scans = by_case(scan_files(folder / f"images{part}", refuse), refuse)
    labels = scan_files(folder / f"labels{part}", refuse)
    refuse_orphans(labels, scans, refuse)
    return tuple(Case(name, paths, labels.get(name)) for name, paths in scans.items())
