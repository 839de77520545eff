"""ACDC: cine MR of 100 hearts at two time points, in the h5 packing of SSL4MIS: training slices, whole volumes for validation and test."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from semiseg.case import Case
from semiseg.data.dataset import Dataset
from semiseg.data.faults import Refuse, stop
from semiseg.data.layouts.description import Description
from semiseg.data.lists import read_list
from semiseg.data.preparation import Preparation

TITLE = "ACDC"
LOOKED_FOR = "train_slices.list, val.list, test.list and 'data/slices/' (ACDC)"
ACDC = Description(
    name="ACDC",
    classes=("right ventricle", "myocardium", "left ventricle"),
    preparation=Preparation(normalize="none", resize=(256, 256), slice_axis=0),
)
"""Published: scans were scaled to [0, 1] before they were packed; slices are brought to 256 x 256; volumes are (slices, H, W)."""


def matches(folder: Path) -> bool:
    """Whether `folder` is laid out as ACDC."""
    lists = ("train_slices.list", "val.list", "test.list")
    return (folder / "data" / "slices").is_dir() and all((folder / name).is_file() for name in lists)


def load(folder: Path, given: Description, refuse: Refuse = stop) -> Dataset:
    """1312 training slices of 70 patients in published order; 20 validation and 40 test volumes. The files do not hold the spacing."""
    parts = {
        "train": _cases(folder / "data" / "slices", read_list(folder / "train_slices.list")),
        "validation": _cases(folder / "data", read_list(folder / "val.list")),
        "test": _cases(folder / "data", read_list(folder / "test.list")),
    }
    return ACDC.dataset(folder, parts, given, refuse)


def _cases(folder: Path, names: Iterable[str]) -> tuple[Case, ...]:
    paths = [(name, folder / f"{name}.h5") for name in names]
    return tuple(Case(name, (path,), path, group=name.split("_")[0]) for name, path in paths)
