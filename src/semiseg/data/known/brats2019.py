"""BraTS 2019 (335 MR scans of brain tumours) in the h5 packing of SSL4MIS: FLAIR alone, the whole tumour as one class."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from semiseg.data.dataset import Dataset
from semiseg.data.faults import Refuse, stop
from semiseg.data.layouts import packed
from semiseg.data.layouts.description import Description

TITLE = "BraTS 2019 (h5)"
LOOKED_FOR = "'data/' with BraTS19_*.h5, and train.txt (BraTS 2019)"
CLASSES = ("whole tumor",)
BRATS2019 = Description(name="BraTS2019", classes=CLASSES, preparation=packed.PACKED.preparation)
SPACING = (1.0, 1.0, 1.0)
"""mm; the challenge's scans were resampled to it (Menze et al., IEEE TMI 2015). The h5 files do not hold it."""


def matches(folder: Path) -> bool:
    """Whether it is that packing, of these cases."""
    return packed.matches(folder) and next((folder / "data").glob("BraTS19_*.h5"), None) is not None


def load(folder: Path, given: Description, refuse: Refuse = stop) -> Dataset:
    """250 training, 25 validation and 60 test scans by the lists in the folder. They were normalised before they were packed."""
    listed = packed.listed_cases(folder, refuse)
    parts = {part: [replace(case, spacing=SPACING) for case in cases] for part, cases in listed.items()}
    return BRATS2019.dataset(folder, parts, given, refuse)
