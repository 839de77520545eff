"""LA: 100 late-gadolinium MR scans of the left atrium (2018 challenge), in the h5 packing and 80/20 split of UA-MT and its followers."""

from __future__ import annotations

from pathlib import Path

from semiseg.case import Case
from semiseg.data.dataset import Dataset, kept_apart
from semiseg.data.faults import Refuse, stop
from semiseg.data.lists import read_list
from semiseg.data.preparation import Preparation

SCANS = "2018LA_Seg_Training Set"
SPACING = (0.625, 0.625, 0.625)
"""mm; the challenge's scans are isotropic (Xiong et al., Medical Image Analysis 2021). The h5 files do not hold it."""
TITLE = "LA"
LOOKED_FOR = f"train.list, test.list and '{SCANS}/' (LA)"


def matches(folder: Path) -> bool:
    """Whether `folder` is laid out as LA."""
    return (folder / SCANS).is_dir() and (folder / "train.list").is_file() and (folder / "test.list").is_file()


def load(folder: Path, refuse: Refuse = stop) -> Dataset:
    """80 training and 20 test scans, in published order. They were normalised (z-score of the whole scan) before packing."""

    def cases(list_name: str) -> tuple[Case, ...]:
        return tuple(_case(folder / SCANS, name) for name in read_list(folder / list_name))

    parts = kept_apart("LA", {"train": cases("train.list"), "test": cases("test.list")}, refuse)
    return Dataset("LA", ("left atrium",), parts["train"], test=parts["test"], preparation=Preparation(normalize="none"))


def _case(folder: Path, name: str) -> Case:
    path = folder / name / "mri_norm2.h5"
    return Case(name, (path,), path, spacing=SPACING)
