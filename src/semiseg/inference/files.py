"""Predicts many files: finished ones are passed over, and one that fails does not stop the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from semiseg.data.formats import SUFFIXES, case_name, mask_suffix, write_label
from semiseg.data.formats.common import suffix
from semiseg.errors import DataError, SemisegError
from semiseg.inference.predictor import Predictor

Progress = Callable[[int, int], None]
"""Called with (files done, files in all)."""


@dataclass(frozen=True)
class PredictedFile:
    """What became of one scan. `message` says what went wrong with a failed one."""

    source: Path
    mask: Path
    status: Literal["predicted", "skipped", "failed"]
    seconds: float = 0.0
    message: str = ""


def find_scans(inputs: Sequence[Path]) -> list[Path]:
    """The files among `inputs`, and the scans that lie in the folders among them (in `images/` of a data folder), sorted by name.

    Raises:
        DataError: a path is missing, or a folder holds no scans.
    """
    return [scan for path in inputs for scan in _scans(path)]


def _scans(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"{path}: no such file or folder.")
    for folder in (path, path / "images"):
        scans = sorted(file for file in folder.glob("*") if suffix(file) in SUFFIXES and not file.name.startswith("."))
        if scans:
            return scans
    raise DataError(f"{path}: holds no scans; expected files that end with {', '.join(SUFFIXES)}.")


def predict_files(
    predictor: Predictor,
    sources: Sequence[Path],
    to: Path,
    overwrite: bool = False,
    uncertainty: bool = False,
    progress: Progress | None = None,
) -> list[PredictedFile]:
    """Write a mask named as its scan to the folder `to` for each scan, in the scan's own geometry and format (see `mask_suffix`).

    Args:
        predictor: from `load`.
        sources: one file a scan.
        to: folder of the masks, made if it is not there.
        overwrite: predict again what has a mask already.
        uncertainty: also write a map of the same name to `uncertainty/`, in whole percent.
        progress: called after each file.

    Raises:
        DataError: two scans would write one mask, or a mask would take a scan's place. Anything else is in the file's own result.
    """
    masks = _mask_paths(sources, to)
    results: list[PredictedFile] = []
    for source, mask in zip(sources, masks, strict=True):
        if mask.exists() and not overwrite:
            results.append(PredictedFile(source, mask, "skipped"))
        else:
            results.append(_predict_file(predictor, source, mask, uncertainty))
        if progress is not None:
            progress(len(results), len(sources))
    return results


def _mask_paths(sources: Sequence[Path], to: Path) -> list[Path]:
    masks: list[Path] = []
    first: dict[str, Path] = {}
    scans = {source.resolve() for source in sources}
    for source in sources:
        other = first.setdefault(case_name(source), source)
        if other is not source:
            raise DataError(f"{source}: its mask would have the name of that of {other}. Predict them into two folders.")
        masks.append(to / f"{case_name(source)}{mask_suffix(source)}")
        if masks[-1].resolve() in scans:
            raise DataError(f"{masks[-1]}: the mask would take the scan's place. Choose another folder.")
    return masks


def _predict_file(predictor: Predictor, source: Path, mask: Path, uncertainty: bool) -> PredictedFile:
    started = time.monotonic()
    try:
        prediction = predictor.predict(source, maps=uncertainty)
        if prediction.uncertainty is not None:
            write_label(
                mask.parent / "uncertainty" / mask.name, np.rint(prediction.uncertainty * 100).astype(np.uint8), prediction.geometry
            )
        write_label(mask, prediction.labels, prediction.geometry)  # last: its presence says that the case is done
    except (SemisegError, OSError, RuntimeError, MemoryError) as error:  # RuntimeError: out of memory on an accelerator
        return PredictedFile(source, mask, "failed", time.monotonic() - started, str(error) or type(error).__name__)
    return PredictedFile(source, mask, "predicted", time.monotonic() - started)
