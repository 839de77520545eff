"""What is to be predicted: files, folders of files, data folders and manifests, as cases with all of their modalities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from semiseg.case import Case
from semiseg.data.folder import open_folder
from semiseg.data.formats import SUFFIXES, case_name, channels_of
from semiseg.data.formats.common import suffix
from semiseg.data.known import KNOWN
from semiseg.data.layouts import LAYOUTS, manifest
from semiseg.data.layouts.scans import NUMBERED, ONLY_MODALITY, by_case
from semiseg.data.layouts.series import is_dicom, series_among, series_below
from semiseg.errors import DataError


def find_cases(inputs: Sequence[Path | str] | Path | str, modalities: int = 1) -> list[Case]:
    """The scans among `inputs`: files first, then those of each folder or manifest, sorted by name; labels are left alone.

    A folder's `images/` comes before its own files (a picture may lie there), and these before any other layout, of which all cases count.
    DICOM series are found in all folders below. Named files of a series stand for all of it.

    Args:
        inputs: what a person names.
        modalities: of the model. Where it has several, files CASE_0000, CASE_0001, ... are one case. Where it has one, the number is left
            out of the names of nnU-Net's scans: of several that all end with _0000, or of any that do so in imagesTr/ or imagesTs/.

    Raises:
        DataError: a path is missing, a folder holds no scans, or a case lacks a modality that another has.
    """
    paths = [Path(path) for path in ([inputs] if isinstance(inputs, Path | str) else inputs)]
    files = [path for path in paths if path.is_file() and not manifest.matches(path)]
    found = _as_cases([*_named(files), *series_among(filter(is_dicom, files)).items()], modalities)
    for path in paths:
        if path not in files:
            found += _in_folder(path, modalities)
    return found


def _in_folder(path: Path, modalities: int) -> list[Case]:
    if not path.exists():
        raise DataError(f"{path}: no such file or folder.")
    for folder in (path / "images", path) if path.is_dir() and not manifest.matches(path) else ():
        files = sorted(file for file in folder.glob("*") if file.is_file() and suffix(file) in SUFFIXES and not file.name.startswith("."))
        scans = [*_named(files), *series_below(folder).items()]
        if scans:
            return _as_cases(scans, modalities)
    if not any(layout.matches(path) for layout in (manifest, *KNOWN, *LAYOUTS)):
        raise DataError(f"{path}: holds no scans; expected files that end with {', '.join(SUFFIXES)}, DICOM series, or a data folder.")
    dataset = open_folder(path)
    return [case.unlabeled() for case in (*dataset.train, *dataset.validation, *dataset.test)]


def _named(files: Iterable[Path]) -> list[tuple[str, Path]]:
    """Files that are a scan each, with their names."""
    return [(case_name(path), path) for path in files if not is_dicom(path)]


def _as_cases(scans: Sequence[tuple[str, Path]], modalities: int) -> list[Case]:
    if modalities > 1 and all(NUMBERED.fullmatch(name) for name, _ in scans):
        return [Case(name, paths) for name, paths in by_case(dict(scans)).items()]
    if modalities == 1 and all(name.endswith(ONLY_MODALITY) for name, _ in scans) and (len(scans) > 1 or _of_nnunet(scans)):
        return [Case(name.removesuffix(ONLY_MODALITY), (path,)) for name, path in scans]
    return [Case(name, channels_of(path) if modalities > 1 else (path,)) for name, path in scans]


def _of_nnunet(scans: Sequence[tuple[str, Path]]) -> bool:
    """Whether they lie in folders that only nnU-Net's layout has."""
    return all(path.parent.name in ("imagesTr", "imagesTs") for _, path in scans)
