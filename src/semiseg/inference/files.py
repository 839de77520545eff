"""Predicts many scans in files, here or elsewhere: finished ones are passed over, and one that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from semiseg.case import Case, file_of
from semiseg.data.formats import mask_suffix
from semiseg.errors import DataError
from semiseg.inference.ahead import Take, read_ahead
from semiseg.inference.masks import Order, PredictedFile, fulfilled
from semiseg.inference.predictor import Maps, Prediction, Predictor

NIFTI = ".nii.gz"
Progress = Callable[[int, int], None]
"""Called with (files done, files in all)."""


class Place(Protocol):
    """Where scans are predicted."""

    def predicted(self, orders: Sequence[Order]) -> Iterator[tuple[int, PredictedFile]]:
        """The number of each order and what became of it, as they are done."""


@dataclass(frozen=True)
class Here:
    """One scan after another in this process; the next is read meanwhile."""

    predictor: Predictor
    maps: Maps | None = None

    def predicted(self, orders: Sequence[Order]) -> Iterator[tuple[int, PredictedFile]]:
        scans = read_ahead(self.predictor, [order.case for order in orders])
        for number, (order, take) in enumerate(zip(orders, scans, strict=True)):
            yield number, fulfilled(order, partial(self._answer, take), self.predictor.run.data.classes)

    def _answer(self, take: Take) -> Prediction:
        return self.predictor.answer(take(), self.maps)


def predict_files(
    predictor: Predictor,
    cases: Sequence[Case],
    to: Path | str,
    overwrite: bool = False,
    uncertainty: bool = False,
    probabilities: bool = False,
    progress: Progress | None = None,
    nifti: bool = False,
) -> list[PredictedFile]:
    """Write a mask named as its case to the folder `to` for each scan, in the scan's own geometry and format (see `mask_suffix`).

    Args:
        predictor: from `load`.
        uncertainty: also write a map of the same name to `uncertainty/`, in whole percent.
        probabilities: also write one for each foreground class to `probabilities/CLASS/`, in whole percent.
        cases, to, overwrite, progress, nifti: see `predict_at`.

    Raises:
        DataError: `to` is a file, two scans would write one mask, or a mask would take a scan's place. Anything else is in the file's own
            result.
    """
    return predict_at(Here(predictor, maps_of(uncertainty, probabilities)), cases, Path(to), overwrite, progress, nifti)


def maps_of(uncertainty: bool, probabilities: bool) -> Maps | None:
    """What is kept beside the masks, in whole percent."""
    return Maps(probabilities, uncertainty, percent=True) if probabilities or uncertainty else None


def predict_at(
    place: Place,
    cases: Sequence[Case],
    to: Path,
    overwrite: bool = False,
    progress: Progress | None = None,
    nifti: bool = False,
) -> list[PredictedFile]:
    """What `predict_files` does, anywhere. The results are in the order of the cases.

    Args:
        place: where to predict.
        cases: from `find_cases`.
        to: folder of the masks, made if it is not there.
        overwrite: predict again what has a mask already.
        progress: called after each file.
        nifti: write NIfTI for scans of any format.

    Raises:
        DataError: `to` is a file, two scans would write one mask, or a mask would take a scan's place.
    """
    if to.is_file():
        raise DataError(f"{to}: is a file. Name a folder for the masks.")
    orders = _orders(cases, to, nifti)
    results = {
        number: PredictedFile(order.source, order.mask, "skipped")
        for number, order in enumerate(orders)
        if order.mask.exists() and not overwrite
    }
    waiting = [number for number in range(len(orders)) if number not in results]
    if progress is not None and results:
        progress(len(results), len(orders))
    for k, found in place.predicted([orders[number] for number in waiting]) if waiting else ():
        order = orders[waiting[k]]
        results[waiting[k]] = replace(found, source=order.source, mask=order.mask)  # as they were named, not as another machine does
        if progress is not None:
            progress(len(results), len(orders))
    return [results[number] for number in range(len(orders))]


def _orders(cases: Sequence[Case], to: Path, nifti: bool) -> list[Order]:
    orders: list[Order] = []
    first: dict[str, Order] = {}
    scans = {source.resolve() for case in cases for source in map(file_of, case.images) if source is not None}
    for case in cases:
        source = Order(case, to).source
        order = Order(case, to / f"{case.id}{NIFTI if nifti else mask_suffix(source)}")
        other = first.setdefault(case.id, order)
        if other is not order:
            raise DataError(f"{source}: its mask would have the name of that of {other.source}. Predict them into two folders.")
        if order.mask.resolve() in scans:
            raise DataError(f"{order.mask}: the mask would take the scan's place. Choose another folder.")
        orders.append(order)
    return orders
