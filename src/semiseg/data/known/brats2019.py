"""BraTS 2019 (335 MR scans of brain tumours) in the h5 packing of SSL4MIS: FLAIR alone, the whole tumour as one class."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from semiseg.data.dataset import Dataset
from semiseg.data.faults import Refuse, stop
from semiseg.data.layouts import packed

TITLE = "BraTS 2019 (h5)"
LOOKED_FOR = "'data/' with BraTS19_*.h5, and train.txt (BraTS 2019)"
CLASSES = ("whole tumor",)
SPACING = (1.0, 1.0, 1.0)
"""mm; the challenge's scans were resampled to it (Menze et al., IEEE TMI 2015). The h5 files do not hold it."""


def matches(folder: Path) -> bool:
    """Whether it is that packing, of these cases."""
    return packed.matches(folder) and next((folder / "data").glob("BraTS19_*.h5"), None) is not None


def load(folder: Path, refuse: Refuse = stop) -> Dataset:
    """250 training, 25 validation and 60 test scans by the lists in the folder. They were normalised before they were packed."""
    dataset = packed.load(folder, refuse)
    train, validation, test = (tuple(replace(case, spacing=SPACING) for case in part) for part in dataset.parts.values())
    named = dataset.named or CLASSES
    return replace(dataset, name="BraTS2019", named=named, train=train, validation=validation, test=test, spacing_known=True)
