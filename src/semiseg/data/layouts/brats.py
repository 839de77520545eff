"""The folders of BraTS 2019 and 2020: one a case, with a file for each of four modalities and for the label."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from semiseg.case import Case
from semiseg.data.dataset import Dataset
from semiseg.data.faults import Refuse, stop
from semiseg.data.layouts.description import Description
from semiseg.data.layouts.scans import complete, listed_parts, scan_files

TITLE = "BraTS folders"
LOOKED_FOR = "folders CASE/ with CASE_flair, CASE_t1, CASE_t1ce, CASE_t2 and CASE_seg (BraTS)"
MODALITIES = ("flair", "t1", "t1ce", "t2")
BRATS = Description(name="BraTS", classes=("necrotic and non-enhancing core", "edema", "enhancing tumor"), label_map={4: 3})
"""Values 1, 2 and 4 of the challenge (Menze et al., IEEE TMI 2015; Bakas et al., 2018)."""


def matches(folder: Path) -> bool:
    """Whether there are such cases in `folder`, or one level deeper (`HGG/` and `LGG/`)."""
    return bool(_case_folders(folder))


def case_files(folder: Path, refuse: Refuse = stop) -> dict[str, dict[str, Path]]:
    """Case -> its files by what they hold: flair, t1, t1ce, t2 and seg, as far as they are there."""
    cases = {}
    for path in _case_folders(folder):
        files = {name.rpartition("_")[2].lower(): file for name, file in scan_files(path, refuse).items()}
        cases[path.name] = {("seg" if name == "segm" else name): file for name, file in files.items()}  # `segm`: in one case of 2020
    return cases


def load(folder: Path, given: Description, refuse: Refuse = stop) -> Dataset:
    """A case without a label is unlabelled. Lists beside the cases are read as in the plain layout."""
    cases = {name: _case(name, files, refuse) for name, files in case_files(folder, refuse).items()}
    return BRATS.dataset(folder, listed_parts(folder, cases, refuse), given, refuse)


def _case_folders(folder: Path) -> list[Path]:
    found = [path.parent for depth in ("*", "*/*") for name in MODALITIES for path in folder.glob(f"{depth}/*_{name}.nii*")]
    return sorted({path for path in found if not path.name.startswith(".")}, key=lambda path: path.name)


def _case(name: str, files: Mapping[str, Path], refuse: Refuse) -> Case:
    return Case(name, complete(name, files, MODALITIES, refuse), files.get("seg"))
