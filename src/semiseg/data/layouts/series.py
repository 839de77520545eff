"""DICOM series in folders: which scans lie below a folder, what their cases are called, and whose they are."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from semiseg.data.faults import LayoutError, Refuse, stop
from semiseg.data.formats import SUFFIXES, case_name, dicom
from semiseg.data.formats.common import suffix
from semiseg.data.formats.dicom_files import SEGMENTATION, by_series, file_of, files_in, is_slice, read_headers
from semiseg.errors import DataError


@dataclass(frozen=True)
class Scan:
    """One scan in a folder.

    Attributes:
        path: of a series one of its files, or its folder.
        name: what tells it from others in the folder.
        lone: whether one file is all of it.
    """

    path: Path
    name: str
    lone: bool


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM; those with the suffix of another format are not opened."""
    return suffix(path) in dicom.SUFFIXES or (suffix(path) not in SUFFIXES and dicom.is_dicom(path))


def dicom_folders(folder: Path) -> Iterator[Path]:
    """The folders that hold DICOM files, `folder` and below, sorted; hidden ones are passed over."""
    for here, below, names in os.walk(folder):
        below[:] = sorted(name for name in below if not name.startswith("."))
        if any(is_dicom(Path(here, name)) for name in sorted(names) if not name.startswith(".") and name != "DICOMDIR"):
            yield Path(here)


def only_folder(folder: Path, refuse: Refuse = stop) -> Path | None:
    """The one folder of DICOM files in the folder of a case; None where there is none. Its files are not compared here.

    Raises:
        DataError: there are several.
    """
    found = list(dicom_folders(folder))
    if len(found) > 1:
        names = ", ".join(str(path.relative_to(folder)) for path in found[:5])
        message = (
            f"{folder}: holds {len(found)} folders of DICOM files ({names}); expected one series a case. Keep one, or make each a case."
        )
        refuse(LayoutError("several series", message, folder.name))
    return found[0] if found else None


def refuse_loose_slices(files: Iterable[Path], refuse: Refuse = stop) -> None:
    """Refuses slices of one series that lie beside each other where each file is a case; files that cannot be read are left out."""
    headers = []
    for file in files:
        with suppress(DataError):
            headers += read_headers([file])
    for slices in by_series(filter(is_slice, headers)).values():
        if len(slices) > 1:
            first, second = (file_of(header) for header in slices[:2])
            message = f"{first}: is one slice of a series, as {second.name} and {len(slices) - 2} other files are."
            refuse(LayoutError("loose slices", f"{message} Put each series into a folder of its own: {first.parent.name}/CASE/."))


def series_below(folder: Path) -> dict[str, Path]:
    """Case id -> DICOM scan, of all that lie in `folder` and below, nested as archives and discs nest them (patient, study, series).

    A folder of one series is that series. Several series in one folder are told apart by their SeriesInstanceUID, and one of its files
    stands for each. Segmentations and reports are passed over; what cannot be read is a case too, so that whoever reads it says why.
    """
    found = [(here.relative_to(folder).parts, scan) for here in dicom_folders(folder) for scan in _of_folder(here)]
    of_top = Counter(parts[:1] for parts, _ in found)
    scans: dict[str, Path] = {}
    for parts, scan in found:
        if parts and of_top[parts[:1]] == 1:
            name = parts[0]
        else:
            inside = parts or (() if scan.lone else (folder.resolve().name,))
            name = "_".join((*inside, scan.name) if scan.name else inside)
        scans[_unused(name, scans)] = scan.path
    return scans


def series_among(files: Iterable[Path]) -> dict[str, Path]:
    """Case id -> DICOM scan, of files that a person names: the first of its files that is named stands for each series, all of it."""
    by_folder: dict[Path, list[Path]] = {}
    for file in files:
        by_folder.setdefault(file.parent, []).append(file)
    scans: dict[str, Path] = {}
    for folder, named in by_folder.items():
        found = _scans(named)
        for scan in found:
            series = folder.resolve().name if len(found) == 1 else f"{folder.resolve().name}_{scan.name}"
            scans[_unused(scan.name if scan.lone else series, scans)] = scan.path
    return scans


def patients(scans: Mapping[str, tuple[Path, ...]]) -> dict[str, str]:
    """Case id -> PatientID of those that are DICOM and have one. An id that all of them share is a placeholder, and is left out."""
    found: dict[str, str] = {}
    for name, (first, *_) in scans.items():
        if first.is_dir() or is_dicom(first):
            with suppress(DataError):  # whoever reads the scan says so
                found[name] = dicom.patient(first)
    shared = len(found) > 1 and len(set(found.values())) == 1
    return {} if shared else {name: patient for name, patient in found.items() if patient}


def _of_folder(folder: Path) -> list[Scan]:
    """The scans of one folder; the folder itself, without a name, where it holds one alone or a file that is damaged."""
    try:
        scans = _scans(files_in(folder))
    except DataError:
        return [Scan(folder, "", lone=False)]
    return [Scan(folder, "", lone=False)] if len(scans) == 1 else scans


def _scans(files: Iterable[Path]) -> list[Scan]:
    headers = [header for header in read_headers(files) if header.get("Modality") != SEGMENTATION]
    series = list(by_series(filter(is_slice, headers)).values())
    numbers = Counter(str(slices[0].get("SeriesNumber") or "") for slices in series)
    scans = []
    for k, slices in enumerate(series, start=1):
        number = str(slices[0].get("SeriesNumber") or "")
        scans.append(Scan(file_of(slices[0]), number if number and numbers[number] == 1 else f"series{k}", lone=False))
    lone = (file_of(header) for header in headers if not is_slice(header))
    return [*scans, *(Scan(file, case_name(file), lone=True) for file in lone)]


def _unused(name: str, taken: Mapping[str, Path]) -> str:
    """`name`, with a number behind it where it is taken."""
    k = 1
    while (unused := name if k == 1 else f"{name}_{k}") in taken:
        k += 1
    return unused
