"""Finds the scans of a folder: one file or DICOM series a case, or one a modality, told apart by `_0000`, ... behind the case's name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from semiseg.case import Case
from semiseg.data.faults import LayoutError, Refuse, stop
from semiseg.data.formats import SUFFIXES, case_name, h5
from semiseg.data.formats.common import suffix
from semiseg.data.layouts.series import is_dicom, only_folder, refuse_loose_slices
from semiseg.data.lists import read_list

SCAN_SUFFIXES = tuple(s for s in SUFFIXES if s not in h5.SUFFIXES)
"""An h5 file holds image and label together, so that it needs no folder of labels."""
NUMBERED = re.compile(r"(.+)_(\d{4})")
ONLY_MODALITY = "_0000"
"""Ends the names of nnU-Net's scans where there is one modality, and not those of their labels."""
PARTS = ("train", "val", "test")


def scan_files(folder: Path, refuse: Refuse = stop) -> dict[str, Path]:
    """File name without its format -> file, sorted; of a folder with a DICOM series its name -> the folder of the slices.

    Hidden files are passed over; a folder that does not exist has none.

    Raises:
        DataError: two files have one name (`a.nii` and `a.nii.gz`), or a folder holds several series.
    """
    scans: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        scan = None if path.name.startswith(".") else _scan(path, refuse)
        other = scans.setdefault(case_name(path), scan) if scan is not None else None
        if other != scan:
            refuse(LayoutError("two files", f"{path}: {other} has the same case id '{case_name(path)}'. Keep one of them."))
    refuse_loose_slices([path for path in scans.values() if path.is_file() and is_dicom(path)], refuse)
    return dict(sorted(scans.items()))


def _scan(path: Path, refuse: Refuse) -> Path | None:
    """The file or the series of one entry of a folder; None where it is no scan."""
    if path.is_dir():
        return only_folder(path, refuse)
    return path if suffix(path) in SCAN_SUFFIXES or is_dicom(path) else None


def are_numbered(names: Iterable[str], labels: Iterable[str]) -> bool:
    """Whether the four digits behind the names of images are modalities: most labels are called as images are without them.

    A label that has the whole name of an image (`p_0001`, where each file is a scan of its own) speaks against it.
    """
    images, given = set(names), set(labels)
    cases = {match[1] for name in images if (match := NUMBERED.fullmatch(name))}
    shared = len((given & cases) - images)
    return shared > 0 and shared >= len(given & images)


def by_case(images: Mapping[str, Path], refuse: Refuse = stop) -> dict[str, tuple[Path, ...]]:
    """Case -> its modalities in the order of their numbers, from images that are numbered.

    Raises:
        DataError: a name has no number and is left out, or a case lacks a modality that another has.
    """
    found: dict[str, dict[str, Path]] = {}
    for name, path in images.items():
        match = NUMBERED.fullmatch(name)
        if match is None:
            message = f"{path}: the name has no modality; expected for instance {name}_0000{suffix(path)}. Rename it, or take it away."
            refuse(LayoutError("unknown name", message))
            continue
        found.setdefault(match[1], {})[match[2]] = path
    numbers = sorted({number for files in found.values() for number in files})
    return {case: complete(case, files, numbers, refuse) for case, files in found.items()}


def complete(case: str, files: Mapping[str, Path], modalities: Sequence[str], refuse: Refuse = stop) -> tuple[Path, ...]:
    """The files of all `modalities`, in their order.

    Raises:
        DataError: one is missing.
    """
    missing = [modality for modality in modalities if modality not in files]
    if missing:
        folder = next(iter(files.values())).parent
        message = f"{folder}: case '{case}' has no modality {', '.join(missing)}, which others have. Add it, or leave the case out."
        refuse(LayoutError("missing modality", message, case))
    return tuple(files[modality] for modality in modalities if modality in files)


def refuse_orphans(labels: Mapping[str, Path], cases: Collection[str], images: Collection[str], refuse: Refuse = stop) -> None:
    """Refuses labels that have no case, but for those whose image was refused for its name."""
    orphans = {name: path for name, path in labels.items() if name not in cases and (name not in images or NUMBERED.fullmatch(name))}
    for name, path in orphans.items():
        match = NUMBERED.fullmatch(name)
        if match and match[1] in cases:
            way_out = f"Labels have no modality in their names: rename it to {match[1]}{suffix(path)}, or take it away."
        else:
            way_out = f"Name it as its image is, or add the image '{path.name}'."
        refuse(LayoutError("orphan label", f"{path}: label without an image ({len(orphans)} of {len(labels)} labels). {way_out}"))


def listed_parts(folder: Path, cases: Mapping[str, Case], refuse: Refuse = stop) -> dict[str, tuple[Case, ...]]:
    """Training, validation and test cases by `train.list`, `val.list` and `test.list`, where there are any.

    A case that is on none of the lists is left out; without `train.list`, training takes what no list names.

    Raises:
        DataError: a list names a case that is not there.
    """
    train, validation, test = (_listed(folder / f"{part}.list", cases, refuse) for part in PARTS)
    if train is None:
        held_out = {case.id for part in (validation, test) for case in part or ()}
        train = tuple(case for case in cases.values() if case.id not in held_out)
    return {"train": train, "validation": validation or (), "test": test or ()}


def _listed(path: Path, cases: Mapping[str, Case], refuse: Refuse) -> tuple[Case, ...] | None:
    if not path.is_file():
        return None
    ids = read_list(path)
    missing = [name for name in ids if name not in cases]
    for name in missing:
        message = f"{path}: names '{name}', for which there is no scan ({len(missing)} of {len(ids)} are missing)."
        refuse(LayoutError("unknown name", f"{message} Add the scan, or take the name out."))
    return tuple(cases[name] for name in ids if name in cases)
