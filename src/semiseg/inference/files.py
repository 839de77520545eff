"""Predicts many scans in files: finished ones are passed over, and one that fails does not stop the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from semiseg.case import Case, file_of
from semiseg.data.formats import mask_suffix, write_label
from semiseg.errors import DataError, SemisegError
from semiseg.inference.predictor import Predictor

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
    progress: Progress | None = None,
) -> list[PredictedFile]:
    """Write a mask named as its case to the folder `to` for each scan, in the scan's own geometry and format (see `mask_suffix`).

    Args:
        predictor: from `load`.
        cases: from `find_cases`.
        to: folder of the masks, made if it is not there.
        overwrite: predict again what has a mask already.
        uncertainty: also write a map of the same name to `uncertainty/`, in whole percent.
        progress: called after each file.

    Raises:
        DataError: two scans would write one mask, or a mask would take a scan's place. Anything else is in the file's own result.
    """
    masks = _mask_paths(cases, to)
    results: list[PredictedFile] = []
    for case, mask in zip(cases, masks, strict=True):
        if mask.exists() and not overwrite:
            results.append(PredictedFile(_file(case), mask, "skipped"))
        else:
            results.append(_predict_case(predictor, case, mask, uncertainty))
        if progress is not None:
            progress(len(results), len(cases))
    return results


def _file(case: Case) -> Path:
    first = file_of(case.images[0])
    assert first is not None
    return first


def _mask_paths(cases: Sequence[Case], to: Path) -> list[Path]:
    masks: list[Path] = []
    first: dict[str, Case] = {}
    scans = {source.resolve() for case in cases for source in map(file_of, case.images) if source is not None}
    for case in cases:
        other = first.setdefault(case.id, case)
        if other is not case:
            raise DataError(f"{_file(case)}: its mask would have the name of that of {_file(other)}. Predict them into two folders.")
        masks.append(to / f"{case.id}{mask_suffix(_file(case))}")
        if masks[-1].resolve() in scans:
            raise DataError(f"{masks[-1]}: the mask would take the scan's place. Choose another folder.")
    return masks


def _predict_case(predictor: Predictor, case: Case, mask: Path, uncertainty: bool) -> PredictedFile:
    started, source = time.monotonic(), _file(case)
    try:
        prediction = predictor.predict(case.images, case.spacing, maps=uncertainty)
        if prediction.uncertainty is not None:
            write_label(
                mask.parent / "uncertainty" / mask.name, np.rint(prediction.uncertainty * 100).astype(np.uint8), prediction.geometry
            )
        write_label(mask, prediction.labels, prediction.geometry)  # last: its presence says that the case is done
    except (SemisegError, OSError, RuntimeError, MemoryError) as error:  # RuntimeError: out of memory on an accelerator
        return PredictedFile(source, mask, "failed", time.monotonic() - started, str(error) or type(error).__name__)
    return PredictedFile(source, mask, "predicted", time.monotonic() - started)
