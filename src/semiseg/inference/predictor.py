"""Predicts one scan with a trained method: labels, and on request probabilities and uncertainty, on the scan's own grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semiseg.case import Array, Channel, Geometry, Source
from semiseg.config import Run
from semiseg.data.formats import describe, read_images
from semiseg.data.prepare import nearest, prepare_image
from semiseg.devices import Precision, autocast, pick_device, pick_precision
from semiseg.errors import DataError
from semiseg.functional.pseudo_labels import largest_components
from semiseg.inference.sliding_window import sliding_window
from semiseg.methods import Method
from semiseg.run_folder import RunFolder

CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of one scan, in the scan's own shape and axis order.

    Attributes:
        labels: (*S) uint8, 0 the background.
        geometry: the scan's own.
        probabilities: (K, *S) float16, background included; where maps were asked for.
        uncertainty: (*S) float16 in 0..1, where maps were asked for. Of a method with several views (CML): how far their foreground
            probabilities lie apart; of others: 1 - the highest probability.
    """

    labels: Array
    geometry: Geometry
    probabilities: Array | None = None
    uncertainty: Array | None = None


@dataclass(frozen=True, eq=False)
class Predictor:
    """A trained method and how it is applied. `load` makes one from a run folder."""

    run: Run
    method: Method[Any]
    device: torch.device
    precision: Precision

    def predict(self, source: Source | Sequence[Source], spacing: tuple[float, ...] | None = None, maps: bool = False) -> Prediction:
        """Predict one scan. Puts the method in eval mode.

        Args:
            source: a file or an array (*S); one for each modality where the model has several.
            spacing: mm a voxel, for sources that hold no geometry.
            maps: also give probabilities and uncertainty.

        Raises:
            DataError: unreadable files, modalities that do not match, or a scan of another dimension than the model's.
        """
        sources = (source,) if isinstance(source, Path | Channel | np.ndarray) else tuple(source)
        image, geometry = self._read(sources, spacing)
        self.method.eval()
        try:
            prepared = torch.from_numpy(prepare_image(image, self.run.preparation)).to(self.device)
        except DataError as error:
            raise DataError(f"{describe(sources[0])}: {error}") from error
        scores = self._scores(prepared, maps)  # (K, *S), and the uncertainty behind them
        classes = len(self.run.data.classes) + 1
        labels = self._restored(scores[:classes].argmax(0).to(torch.uint8), image.shape[1:])
        if self.run.inference.largest_component:
            labels = largest_components(labels, classes)
        if not maps:
            return Prediction(labels, geometry)
        on_scan = self._restored(scores.half(), image.shape[1:])
        return Prediction(labels, geometry, on_scan[:classes], on_scan[classes])

    def _read(self, sources: Sequence[Source], spacing: tuple[float, ...] | None) -> tuple[Array, Geometry]:
        """All modalities (C, *S) and the first one's geometry."""
        scans = read_images(sources)
        image, geometry, name = scans[0][0], scans[0][1], describe(sources[0])
        if len(scans) != self.run.data.channels:
            raise DataError(f"{name}: {len(scans)} modalities were given; the model expects {self.run.data.channels}.")
        if any(other.shape != image.shape for other, _ in scans):
            raise DataError(f"{name}: the modalities have shapes {[other.shape for other, _ in scans]}; resample them to one grid.")
        if image.ndim < len(self.run.training.patch):
            raise DataError(f"{name}: is 2D, and the model is 3D. Stack the slices to a volume, or use a 2D model.")
        if image.ndim > len(self.run.training.patch) and self.run.preparation.slice_axis is None:
            raise DataError(
                f"{name}: is 3D, and the model is 2D. Say in the run's run.yaml which axis to cut: preparation.slice_axis: 0, 1 or 2."
            )
        if spacing is not None and not geometry.known:
            geometry = Geometry.from_spacing(spacing)
        return np.stack([scan for scan, _ in scans]), geometry

    def _scores(self, image: Tensor, maps: bool) -> Tensor:
        """(C, *S) -> probabilities (K, *S), with `maps` the uncertainty behind them."""
        patch, stride = self.run.training.patch, self.run.inference.stride
        stride = stride or tuple(max(side // 2, 1) for side in patch)
        classes = len(self.run.data.classes) + 1
        axis = self.run.preparation.slice_axis if image.ndim - 1 > len(patch) else None
        if axis is not None:  # a slice is a window of one voxel along its axis
            patch, stride = (*patch[:axis], 1, *patch[axis:]), (*stride[:axis], 1, *stride[axis:])

        def predict(windows: Tensor) -> Tensor:
            if axis is None:
                return self._window_scores(windows, maps)
            return self._window_scores(windows.squeeze(axis + 2), maps).unsqueeze(axis + 2)

        return sliding_window(predict, image, patch, stride, classes + maps, self.run.inference.batch)

    def _window_scores(self, windows: Tensor, maps: bool) -> Tensor:
        """(B, C, *P) -> (B, K, *P) probabilities, with `maps` the uncertainty as one more."""
        windows = windows.contiguous(memory_format=CHANNELS_LAST[windows.ndim - 2])
        with autocast(self.precision, self.device):
            logits = self.method.predict_logits(windows)
            views = self.method.predict_views(windows) if maps else []
        probabilities = logits.float().softmax(1)
        if not maps:
            return probabilities
        return torch.cat([probabilities, uncertainty(probabilities, views)], dim=1)

    def _restored(self, values: Tensor, shape: Sequence[int]) -> Array:
        """Values (..., *S) of the prepared scan on the grid of the scan itself, by nearest neighbour, on the host."""
        for axis, size in enumerate(reversed(shape), start=1):
            if values.shape[-axis] != size:
                values = values.index_select(-axis, torch.from_numpy(nearest(values.shape[-axis], size)).to(values.device))
        return values.cpu().numpy()


def uncertainty(probabilities: Tensor, views: Sequence[Tensor]) -> Tensor:
    """How unsure the model is of each voxel: (B, 1, *P) in 0..1.

    Args:
        probabilities: (B, K, *P), of the method.
        views: logits (B, K, *P) of each view. Of two or more: the span of their foreground probabilities; else 1 - the highest probability.
    """
    if len(views) < 2:
        return 1 - probabilities.amax(1, keepdim=True)
    foreground = torch.stack([1 - view.float().softmax(1)[:, :1] for view in views])
    return foreground.amax(0) - foreground.amin(0)


def load(run: Path, device: str = "auto") -> Predictor:
    """The model of a run folder, ready to predict.

    Args:
        run: the run folder.
        device: auto, cpu, cuda or mps.

    Raises:
        RunFolderError: no run folder, or without weights that fit.
        SettingsError: the device is not there.
    """
    folder, place = RunFolder.open(Path(run)), pick_device(device)
    settings = folder.run()
    method = settings.build()
    folder.load_weights(method)
    method.to(place).to(memory_format=CHANNELS_LAST[len(settings.training.patch)])  # type: ignore[call-overload]  # not in torch's stubs
    return Predictor(settings, method.eval(), place, pick_precision(settings.training.precision, place))
