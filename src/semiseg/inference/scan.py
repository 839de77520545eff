"""A scan as trained methods see it: read once, checked against each of them, and prepared for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from semiseg.case import Array, Geometry, Source
from semiseg.config import Run
from semiseg.data.check import axis_codes
from semiseg.data.formats import describe, read_images
from semiseg.data.preparation import Preparation, known_spacing, prepare_image, stacked
from semiseg.errors import DataError


@dataclass(frozen=True, eq=False)
class Scan:
    """One scan, and what each method is shown of it.

    Attributes:
        name: for messages.
        shape: (*S), the scan's own.
        geometry: the scan's own.
        spacing: mm a voxel along each axis; None where neither the file nor the caller says.
        axes: where they run, such as RAS; empty where the file does not say.
        prepared: (C, *S') float32 for each method; one array where they are prepared alike.
    """

    name: str
    shape: tuple[int, ...]
    geometry: Geometry
    spacing: tuple[float, ...] | None
    axes: str
    prepared: tuple[Array, ...]


def read_scan(sources: Sequence[Source], spacing: tuple[float, ...] | None, runs: Sequence[Run]) -> Scan:
    """All modalities of a scan and the first one's geometry, prepared as each of `runs` was trained.

    Args:
        sources: one a modality.
        spacing: mm a voxel, for sources that hold no geometry.
        runs: of the methods.

    Raises:
        DataError: unreadable files, modalities that do not match, or a scan of another dimension than a model's.
    """
    name, scans = describe(sources[0]), read_images(sources)
    image, geometry = scans[0]
    if any(other.shape != image.shape for other, _ in scans):
        raise DataError(f"{name}: the modalities have shapes {[other.shape for other, _ in scans]}; resample them to one grid.")
    for run in runs:
        _check(name, len(scans), image.ndim, run)
    axes = axis_codes(geometry, image.ndim) if geometry.known else ""
    if spacing is not None and not geometry.known:
        geometry = Geometry.from_spacing(spacing)
    shape, size = image.shape, known_spacing(geometry, image.ndim, spacing)
    array = stacked([scan for scan, _ in scans], sources)
    del image, scans
    return Scan(name, shape, geometry, size, axes, _prepared(name, array, [run.preparation for run in runs], size))


def _prepared(name: str, array: Array, asked: Sequence[Preparation], spacing: tuple[float, ...] | None) -> tuple[Array, ...]:
    """`array` (C, *S) for each of `asked`; its own memory becomes that of the last kind."""
    kinds = list(dict.fromkeys(asked))
    made = {}
    for kind in kinds:
        try:
            made[kind] = prepare_image(array, kind, spacing, overwrite=kind == kinds[-1])
        except DataError as error:
            raise DataError(f"{name}: {error}") from error
    return tuple(made[kind] for kind in asked)


def _check(name: str, modalities: int, axes: int, run: Run) -> None:
    """Raises DataError where a scan does not suit a model."""
    if modalities != run.data.channels:
        raise DataError(f"{name}: {modalities} modalities were given; the model expects {run.data.channels}.")
    if axes < len(run.training.patch):
        raise DataError(f"{name}: is 2D, and the model is 3D. Stack the slices to a volume, or use a 2D model.")
    if axes > len(run.training.patch) and run.preparation.slice_axis is None:
        raise DataError(
            f"{name}: is 3D, and the model is 2D. Say in the run's run.yaml which axis to cut: preparation.slice_axis: 0, 1 or 2."
        )
