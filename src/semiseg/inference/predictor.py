"""Predicts scans with one trained method or several: labels, and on request probabilities and uncertainty, on the scan's own grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from semiseg.case import Array, Geometry, Source
from semiseg.devices import channels_last, pick_device, pick_precision
from semiseg.errors import SettingsError
from semiseg.functional.pseudo_labels import largest_components
from semiseg.host_memory import freed_memory_kept
from semiseg.inference.member import Member
from semiseg.inference.pieces import Pieces, make_pieces
from semiseg.inference.scan import Scan, read_scan
from semiseg.inference.scores import scores, spread
from semiseg.inference.training_scans import Difference, TrainingScans
from semiseg.run_folder import RunFolder


@dataclass(frozen=True)
class Maps:
    """What is kept beside the labels. `percent`: as whole percent (uint8), not as 0..1 (float16)."""

    probabilities: bool = True
    uncertainty: bool = True
    percent: bool = False

    def of(self, values: Tensor, classes: int) -> Array:
        """Of probabilities and uncertainty (K + 1, *S), those that are kept, on the host."""
        kept = values[0 if self.probabilities else classes : classes + 1 if self.uncertainty else classes]
        return ((kept * 100).round().to(torch.uint8) if self.percent else kept.half()).cpu().numpy()


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of one scan, in the scan's own shape and axis order.

    Attributes:
        labels: (*S) uint8, 0 the background.
        geometry: the scan's own.
        probabilities: (K, *S) float16, background included; where maps were asked for.
        uncertainty: (*S) float16 in 0..1, where maps were asked for. Of several runs, and of a method with several views (CML): how far
            their foreground probabilities lie apart; of others: 1 - the highest probability.
        differences: what the scan has otherwise than the scans that the model was trained on, so that the labels may be worse.
    """

    labels: Array
    geometry: Geometry
    probabilities: Array | None = None
    uncertainty: Array | None = None
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, eq=False)
class Predictor(Member):
    """A trained method that predicts scans; `others` are averaged with it. `load` makes one from run folders.

    What concerns the result and not a method (the largest component, memory) is as in the first one's run.
    """

    others: tuple[Member, ...] = ()

    def predict(
        self, source: Source | str | Sequence[Source | str], spacing: tuple[float, ...] | None = None, maps: bool = False
    ) -> Prediction:
        """Predict one scan. Puts the methods in eval mode.

        Args:
            source: a path or an array (*S); one for each modality where the model has several.
            spacing: mm a voxel, for sources that hold no geometry.
            maps: also give probabilities and uncertainty.

        Raises:
            DataError: unreadable files, modalities that do not match, or a scan of another dimension than the model's.
        """
        sources = tuple(source) if isinstance(source, list | tuple) else (source,)
        return self.answer(self.read(sources, spacing), Maps() if maps else None)

    def read(self, sources: Sequence[Source | str], spacing: tuple[float, ...] | None = None) -> Scan:
        """The first half of `predict`: read and prepare, which needs neither the methods nor their device."""
        paths = [Path(source) if isinstance(source, str) else source for source in sources]
        return read_scan(paths, spacing, [member.run for member in self.members])

    def answer(self, scan: Scan, maps: Maps | None = None) -> Prediction:
        """The second half of `predict`. `maps`: what to keep beside the labels."""
        for member in self.members:
            member.method.eval()
        classes = len(self.run.data.classes) + 1
        labels: Array = np.empty(scan.shape, np.uint8)
        kept: Array | None = None
        with freed_memory_kept(self.device):
            for place, values in self._slabs(scan, classes, maps is not None and maps.uncertainty):
                labels[place] = values[:classes].max(0).indices.to(torch.uint8).cpu().numpy()
                if maps is not None:
                    some = maps.of(values, classes)
                    kept = np.empty((len(some), *scan.shape), some.dtype) if kept is None else kept
                    kept[(slice(None), *place)] = some
        if self.run.inference.largest_component:
            labels = largest_components(labels, classes)
        found = Prediction(labels, scan.geometry, differences=self._differences(scan))
        if kept is None or maps is None:
            return found
        return replace(
            found, probabilities=kept[:classes] if maps.probabilities else None, uncertainty=kept[-1] if maps.uncertainty else None
        )

    @property
    def members(self) -> tuple[Member, ...]:
        """All methods that are averaged."""
        return (self, *self.others)

    def _differences(self, scan: Scan) -> tuple[Difference, ...]:
        """From what any of the members was trained on."""
        found = (member.trained_on.differences(member.run.preparation, scan.spacing, scan.axes) for member in self.members)
        return tuple(dict.fromkeys(chain.from_iterable(found)))

    def _slabs(self, scan: Scan, classes: int, unsure: bool) -> Iterator[tuple[tuple[slice, ...], Tensor]]:
        """Where in the scan, and the mean probabilities (K, *S) there, with `unsure` the uncertainty behind them."""
        shapes = [image.shape[1:] for image in scan.prepared]
        pieces = make_pieces(scan.shape, list(zip([member.run for member in self.members], shapes, strict=True)), classes + unsure)
        alone = not self.others
        for column in pieces.columns:
            streams = [
                scores(member, image, scan.shape, pieces, column, unsure and alone)
                for member, image in zip(self.members, scan.prepared, strict=True)
            ]
            for k, slabs in enumerate(zip(*streams, strict=True)):
                values = slabs[0] if alone else _mean(slabs, unsure)
                yield _place(scan.shape, pieces, column, k), values


def _mean(slabs: Sequence[Tensor], unsure: bool) -> Tensor:
    """The mean of several methods' probabilities (K, *S), with `unsure` how far apart their foreground ones lie behind it."""
    total = torch.stack(list(slabs)).mean(0)
    return torch.cat([total, spread([1 - slab[:1] for slab in slabs])]) if unsure else total


def _place(shape: Sequence[int], pieces: Pieces, column: tuple[int, int], k: int) -> tuple[slice, ...]:
    """Where slab k of a column lies in the scan."""
    place = [slice(0, side) for side in shape]
    place[pieces.across] = slice(*column)
    place[pieces.axis] = slice(k * pieces.height, (k + 1) * pieces.height)
    return tuple(place)


def load(
    run: Path | str, device: str = "auto", others: Sequence[Path | str] = (), flips: bool | None = None, selected: bool = False
) -> Predictor:
    """The model of a run folder, ready to predict.

    Args:
        run: the run folder.
        device: auto, cpu, cuda or mps.
        others: further run folders; probabilities are the mean of all.
        flips: whether each patch is also predicted mirrored along all axes, and averaged; None: as each run says.
        selected: the weights of the best look at validation or test cases, instead of those of the last step.

    Raises:
        RunFolderError: no run folder, or without weights that fit.
        SettingsError: the device is not there, or the runs have other classes or modalities.
    """
    first, *rest = (_load_one(Path(folder), device, flips, selected) for folder in (run, *others))
    for folder, other in zip(others, rest, strict=True):
        for name in ("classes", "channels"):
            one, two = getattr(first.run.data, name), getattr(other.run.data, name)
            if one != two:
                raise SettingsError(f"{folder}: has {name} {two}, and {run} has {one}. Only runs with the same ones can be averaged.")
    return replace(first, others=tuple(rest))


def _load_one(run: Path, device: str, flips: bool | None, selected: bool) -> Predictor:
    folder, place = RunFolder.open(run), pick_device(device)
    settings = folder.run()
    if flips is not None:
        settings = settings.model_copy(update={"inference": settings.inference.model_copy(update={"flips": flips})})
    method = settings.build()
    folder.load_weights(method, selected)
    method.to(place).to(memory_format=channels_last(settings.training.patch))  # type: ignore[call-overload]  # not in torch's stubs
    precision, trained_on = pick_precision(settings.training.precision, place), TrainingScans.of(folder.read_json("plan.json"))
    return Predictor(settings, method.eval(), place, precision, trained_on=trained_on)
