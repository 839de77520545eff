"""LA: 100 late-gadolinium MR scans of the left atrium (2018 challenge), in the h5 packing and 80/20 split of UA-MT and its followers."""

from __future__ import annotations

from pathlib import Path

from semiseg.case import Case
from semiseg.data.dataset import Dataset
from semiseg.data.faults import Refuse, stop
from semiseg.data.layouts.description import Description
from semiseg.data.lists import read_list
from semiseg.data.preparation import Preparation

SCANS = "2018LA_Seg_Training Set"
SPACING = (0.625, 0.625, 0.625)
"""mm; the challenge's scans are isotropic (Xiong et al., Medical Image Analysis 2021). The h5 files do not hold it."""
LA = Description(name="LA", classes=("left atrium",), preparation=Preparation(normalize="none"))
TITLE = "LA"
LOOKED_FOR = f"train.list, test.list and '{SCANS}/' (LA)"


def matches(folder: Path) -> bool:
    """Whether `folder` is laid out as LA."""
    return (folder / SCANS).is_dir() and (folder / "train.list").is_file() and (folder / "test.list").is_file()


def load(folder: Path, given: Description, refuse: Refuse = stop) -> Dataset:
    """80 training and 20 test scans, in published order. They were normalised (z-score of the whole scan) before packing."""
    parts = {part: [_case(folder / SCANS, name) for name in read_list(folder / f"{part}.list")] for part in ("train", "test")}
    return LA.dataset(folder, parts, given, refuse)


def _case(folder: Path, name: str) -> Case:
    path = folder / name / "mri_norm2.h5"
    return Case(name, (path,), path, spacing=SPACING)
