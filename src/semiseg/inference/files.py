"""Predicts many scans in files: finished ones are passed over, the next is read meanwhile, and one that fails does not stop the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from semiseg.case import Array, Case, file_of
from semiseg.data.formats import map_suffix, mask_suffix, write_label
from semiseg.errors import DataError, SemisegError
from semiseg.inference.ahead import Take, read_ahead
from semiseg.inference.predictor import Maps, Prediction, Predictor

NIFTI = ".nii.gz"
Progress = Callable[[int, int], None]
"""Called with (files done, files in all)."""


@dataclass(frozen=True)
class PredictedFile:
    """What became of one scan, named by its first modality's file. `message` says what went wrong with a failed one."""

    source: Path
    mask: Path
    status: Literal["predicted", "skipped", "failed"]
    seconds: float = 0.0
    message: str = ""


def predict_files(
    predictor: Predictor,
    cases: Sequence[Case],
    to: Path,
    overwrite: bool = False,
    uncertainty: bool = False,
    probabilities: bool = False,
    progress: Progress | None = None,
    nifti: bool = False,
) -> list[PredictedFile]:
    """Write a mask named as its case to the folder `to` for each scan, in the scan's own geometry and format (see `mask_suffix`).

    Args:
        predictor: from `load`.
        cases: from `find_cases`.
        to: folder of the masks, made if it is not there.
        overwrite: predict again what has a mask already.
        uncertainty: also write a map of the same name to `uncertainty/`, in whole percent.
        probabilities: also write one for each foreground class to `probabilities/CLASS/`, in whole percent.
        progress: called after each file.
        nifti: write NIfTI for scans of any format.

    Raises:
        DataError: two scans would write one mask, or a mask would take a scan's place. Anything else is in the file's own result.
    """
    masks = _mask_paths(cases, to, nifti)
    done = [mask.exists() and not overwrite for mask in masks]
    scans = read_ahead(predictor, [case for case, skip in zip(cases, done, strict=True) if not skip])
    maps = Maps(probabilities, uncertainty, percent=True) if probabilities or uncertainty else None
    results: list[PredictedFile] = []
    for case, mask, skip in zip(cases, masks, done, strict=True):
        if skip:
            results.append(PredictedFile(_file(case), mask, "skipped"))
        else:
            results.append(_predict_case(predictor, case, next(scans), mask, maps))
        if progress is not None:
            progress(len(results), len(cases))
    return results


def _file(case: Case) -> Path:
    first = file_of(case.images[0])
    assert first is not None
    return first


def _mask_paths(cases: Sequence[Case], to: Path, nifti: bool) -> list[Path]:
    masks: list[Path] = []
    first: dict[str, Case] = {}
    scans = {source.resolve() for case in cases for source in map(file_of, case.images) if source is not None}
    for case in cases:
        other = first.setdefault(case.id, case)
        if other is not case:
            raise DataError(f"{_file(case)}: its mask would have the name of that of {_file(other)}. Predict them into two folders.")
        masks.append(to / f"{case.id}{NIFTI if nifti else mask_suffix(_file(case))}")
        if masks[-1].resolve() in scans:
            raise DataError(f"{masks[-1]}: the mask would take the scan's place. Choose another folder.")
    return masks


def _predict_case(predictor: Predictor, case: Case, take: Take, mask: Path, maps: Maps | None) -> PredictedFile:
    started, source = time.monotonic(), _file(case)
    try:
        write_prediction(predictor.answer(take(), maps), mask, case, predictor.run.data.classes)
    except (SemisegError, OSError, RuntimeError, MemoryError) as error:  # RuntimeError: out of memory on an accelerator
        return PredictedFile(source, mask, "failed", time.monotonic() - started, _reason(error))
    return PredictedFile(source, mask, "predicted", time.monotonic() - started)


def write_prediction(found: Prediction, mask: Path, case: Case, classes: Sequence[str]) -> None:
    """Write a mask, after the maps in whole percent that there are: the presence of the mask says that the case is done."""
    if found.uncertainty is not None:
        _write_map(mask.parent / "uncertainty", case, found.uncertainty, found)
    if found.probabilities is not None:
        for name, values in zip(classes, found.probabilities[1:], strict=True):
            _write_map(mask.parent / "probabilities" / folder_name(name), case, values, found)
    write_label(mask, found.labels, found.geometry, case.images[0], classes)


def folder_name(name: str) -> str:
    """The name of a class as that of a folder on any system."""
    return "".join(letter if letter.isalnum() or letter in " -_+.()" else "_" for letter in name).strip(" .") or "_"


def _write_map(folder: Path, case: Case, percent: Array, found: Prediction) -> None:
    write_label(folder / f"{case.id}{map_suffix(_file(case))}", percent, found.geometry)


def _reason(error: Exception) -> str:
    """What went wrong with one scan, in a sentence."""
    text = str(error) or type(error).__name__
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in text:
        first = text.splitlines()[0]
        return f"not enough memory ({first}). Set inference.batch to 1 or inference.memory lower in run.yaml, or use another --device."
    return text
