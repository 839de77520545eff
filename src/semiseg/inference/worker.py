"""What predicts scans in a process of its own: it loads the model once and keeps it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from semiseg.case import Case
from semiseg.inference.ahead import is_large
from semiseg.inference.masks import Order, PredictedFile, fulfilled
from semiseg.inference.predictor import Maps, Prediction, Predictor, load


@dataclass(frozen=True)
class Model:
    """What `load` is to be called with, so that another process can do so."""

    run: Path
    others: tuple[Path, ...] = ()
    flips: bool | None = None
    selected: bool = False

    def load(self, device: str) -> Predictor:
        return load(self.run, device, self.others, self.flips, self.selected)

    @property
    def folders(self) -> tuple[Path, ...]:
        """All run folders."""
        return (self.run, *self.others)

    def absolute(self) -> Model:
        """For a process that works in another folder."""
        return replace(self, run=self.run.absolute(), others=tuple(other.absolute() for other in self.others))


class ScanWorker:
    """Predicts what it is given; from two threads, one scan is read or written while the other is predicted."""

    def __init__(self, model: Model, device: str, maps: Maps | None) -> None:
        self.model, self.device, self.maps = model, device, maps
        self.alone = threading.Lock()
        self.predictor: Predictor | None = None

    def load(self) -> None:
        """To be called once, before the first scan.

        Raises:
            SemisegError: see `predictor.load`.
        """
        self.predictor = self.model.load(self.device)

    def predict(self, order: Order) -> PredictedFile:
        assert self.predictor is not None
        return fulfilled(order, partial(self._answer, self.predictor, order.case), self.predictor.run.data.classes)

    def _answer(self, predictor: Predictor, case: Case) -> Prediction:
        if is_large(case):
            with self.alone:
                return predictor.answer(predictor.read(case.images, case.spacing), self.maps)
        scan = predictor.read(case.images, case.spacing)
        with self.alone:
            return predictor.answer(scan, self.maps)
