"""One scan that is to be predicted, and the files that say what was predicted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from semiseg.case import Array, Case, Channel, Source, file_of
from semiseg.data.formats import map_suffix, write_label
from semiseg.errors import SemisegError
from semiseg.inference.predictor import Prediction
from semiseg.inference.training_scans import Difference


@dataclass(frozen=True)
class Order:
    """A scan that is to be predicted, and where its mask goes."""

    case: Case
    mask: Path

    @property
    def source(self) -> Path:
        """The file of the first modality."""
        first = file_of(self.case.images[0])
        assert first is not None
        return first

    def absolute(self) -> Order:
        """For a process that works in another folder."""
        return Order(replace(self.case, images=tuple(map(_absolute, self.case.images))), self.mask.absolute())


@dataclass(frozen=True)
class PredictedFile:
    """What became of one scan, named by its first modality's file.

    Attributes:
        message: what went wrong with a failed one.
        differences: of a predicted one from the scans that the model was trained on.
    """

    source: Path
    mask: Path
    status: Literal["predicted", "skipped", "failed"]
    seconds: float = 0.0
    message: str = ""
    differences: tuple[Difference, ...] = ()


def _absolute(source: Source) -> Source:
    if isinstance(source, Path):
        return source.absolute()
    return replace(source, path=source.path.absolute()) if isinstance(source, Channel) else source


def fulfilled(order: Order, predict: Callable[[], Prediction], classes: Sequence[str]) -> PredictedFile:
    """Predict a scan and write its files; what goes wrong with it is in the result."""
    started = time.monotonic()
    try:
        found = predict()
        write_prediction(found, order, classes)
    except (SemisegError, OSError, RuntimeError, MemoryError) as error:  # RuntimeError: out of memory on an accelerator
        return PredictedFile(order.source, order.mask, "failed", time.monotonic() - started, _reason(error))
    return PredictedFile(order.source, order.mask, "predicted", time.monotonic() - started, differences=found.differences)


def write_prediction(found: Prediction, order: Order, classes: Sequence[str]) -> None:
    """Write a mask, after the maps in whole percent that there are: the presence of the mask says that the case is done."""
    folder = order.mask.parent
    if found.uncertainty is not None:
        _write_map(folder / "uncertainty", order, found.uncertainty, found)
    if found.probabilities is not None:
        for name, values in zip(classes, found.probabilities[1:], strict=True):
            _write_map(folder / "probabilities" / folder_name(name), order, values, found)
    write_label(order.mask, found.labels, found.geometry, order.case.images[0], classes)


def folder_name(name: str) -> str:
    """The name of a class as that of a folder on any system."""
    return "".join(letter if letter.isalnum() or letter in " -_+.()" else "_" for letter in name).strip(" .") or "_"


def _write_map(folder: Path, order: Order, percent: Array, found: Prediction) -> None:
    write_label(folder / f"{order.case.id}{map_suffix(order.source)}", percent, found.geometry)


def _reason(error: Exception) -> str:
    """What went wrong with one scan, in a sentence."""
    text = str(error) or type(error).__name__
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in text:
        first = text.splitlines()[0]
        return f"not enough memory ({first}). Set inference.batch to 1 or inference.memory lower in run.yaml, or use another --device."
    return text
