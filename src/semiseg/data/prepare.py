"""From files to the arrays that a network sees: checked, normalised, and kept as memory-mapped files so that it is done once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from semiseg.case import Array, Case, Geometry, Source, file_of
from semiseg.data.cache import Cache, CacheError
from semiseg.data.check import check_classes, check_headers, named, raise_faults, refuse_nothing_labeled
from semiseg.data.formats import describe, read_header, read_images
from semiseg.data.labels import Box, labeled_box, read_classes, stored
from semiseg.data.normalize import clip, normalize_by_numbers, normalize_by_scan
from semiseg.data.resample import resample_image, resample_label, resampled_shape
from semiseg.errors import DataError, SettingsError

MOST_FAULTS = 10
"""How many faulty cases one message names."""

Arrays = tuple[Array, Array | None]
"""Image and label of one case."""
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Numbers = Annotated[tuple[float, ...], BeforeValidator(lambda value: (value,) if isinstance(value, int | float) else value)]
"""One number may stand without brackets."""


class Preparation(BaseModel):
    """What happens to a scan before training and before prediction alike: clipped, normalised, resampled, in this order."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    clip: tuple[float, float] | None = Field(
        None, description="lowest and highest value, of the file; what lies beyond takes the limit. CT: in Hounsfield units"
    )
    normalize: Literal["none", "zscore", "fixed"] = Field(
        "zscore", description="zscore: mean 0 and deviation 1 of each scan and modality; fixed: by `mean` and `std`; none: as in the file"
    )
    mean: Numbers = Field((), description="normalize fixed: subtracted; one number, or one for each modality")
    std: Numbers = Field((), description="normalize fixed: divided by; one number, or one for each modality")
    spacing: tuple[Positive, ...] | None = Field(
        None,
        min_length=2,
        max_length=3,
        description="mm a voxel along the file's axes that scans are resampled to; for slices, of their two",
    )
    resize: tuple[int, int] | None = Field(
        None, description="2D: slices are brought to this size by nearest neighbour; published ACDC 256, 256"
    )
    slice_axis: int | None = Field(None, ge=0, le=2, description="a 2D model on 3D scans: the axis that is cut into slices")

    @model_validator(mode="after")
    def settings_go_together(self) -> Preparation:
        """Refuse what cannot be meant."""
        if self.clip is not None and not self.clip[0] < self.clip[1]:
            raise ValueError(f"clip {self.clip}: the lowest value comes first.")
        if min(self.std, default=1) <= 0:
            raise ValueError(f"std {self.std}: expected numbers above 0.")
        if self.normalize == "fixed" and not (self.mean and len(self.mean) == len(self.std)):
            raise ValueError("normalize: fixed needs mean and std, one number each, or one for each modality.")
        if self.spacing is not None and self.resize is not None:
            raise ValueError("spacing and resize are two ways to one grid. Choose one.")
        return self


@dataclass(frozen=True, eq=False)
class Prepared:
    """One scan, or one slice of it, as a network sees it.

    Attributes:
        id: the case's, or `<case>#<k>` for slice k.
        image: (C, *S) float32, memory-mapped where the case lies in files.
        label: (*S) uint8, `STORED_IGNORE` where nobody labelled; None for an unlabelled case, and for a slice of which nothing is labelled.
        labeled_box: (first, past the last) along each axis of the labelled voxels of a partly labelled scan; None for any other.
    """

    id: str
    image: Array
    label: Array | None
    labeled_box: Box | None = None

    @staticmethod
    def of(case: Case, name: str, image: Array, label: Array | None) -> Prepared:
        """A scan of `case`, or a slice of it."""
        box = labeled_box(label) if label is not None and case.partly_labeled else None
        return Prepared(name, image, label, box) if box is None or all(last for _, last in box) else Prepared(name, image, None)

    def unlabeled(self) -> Prepared:
        """The same scan without its label."""
        return Prepared(self.id, self.image, None)


def prepare_image(array: Array, preparation: Preparation, spacing: Sequence[float] | None = None, overwrite: bool = False) -> Array:
    """One scan as a network sees it; the axes keep their order (a scan is cut into slices by whoever needs slices).

    Args:
        array: (C, *S), one channel a modality.
        preparation: what to do.
        spacing: mm a voxel along each axis, None where it is not known.
        overwrite: `array` is no longer needed: its memory may be used.

    Returns:
        (C, *S) float32; with `resize` the two axes of a slice have the new size, with `spacing` all axes.

    Raises:
        DataError: all voxels of a modality have one value, so that it cannot be normalised, or voxels of unknown size cannot be resampled.
        SettingsError: `resize` for a 3D scan that is not cut into slices, a `slice_axis` that it does not have, or numbers that do not
            suit its axes or modalities.
    """
    image = array if overwrite and array.dtype == np.float32 and array.flags.writeable else array.astype(np.float32)
    if preparation.clip is not None:
        clip(image, preparation.clip)
    if preparation.normalize == "zscore":
        normalize_by_scan(image)
    elif preparation.normalize == "fixed":
        normalize_by_numbers(image, preparation.mean, preparation.std)
    if preparation.spacing is not None:
        return resample_image(image, new_shape(image.shape[1:], preparation, spacing))
    return _resized(image, preparation)


def prepare_label(label: Array, preparation: Preparation, spacing: Sequence[float] | None = None) -> Array:
    """Class numbers (*S) on the grid of the prepared image, as `stored`. `spacing` as for `prepare_image`."""
    if preparation.spacing is not None:
        return resample_label(stored(label), new_shape(label.shape, preparation, spacing))
    return np.ascontiguousarray(_resized(stored(label)[None], preparation)[0])


def new_shape(shape: Sequence[int], preparation: Preparation, spacing: Sequence[float] | None) -> tuple[int, ...]:
    """The shape (*S) of a scan that `preparation.spacing` is asked for.

    Raises:
        DataError: the size of its voxels is not known.
    """
    assert preparation.spacing is not None
    if spacing is None:
        raise DataError(
            f"holds no voxel size, and preparation.spacing {preparation.spacing} asks for one. Give it (the column `spacing` of a manifest,"
            " spacing=(...) in Python), save the scan as NIfTI, or leave preparation.spacing out."
        )
    return resampled_shape(shape, spacing, preparation.spacing, preparation.slice_axis)


def nearest(size: int, new_size: int) -> Array:
    """Which of `size` samples each of `new_size` takes: nearest neighbour with the corners on the corners (scipy's `zoom` of order 0)."""
    step = (size - 1) / (new_size - 1) if new_size > 1 else 0.0
    index: Array = np.floor(np.arange(new_size) * step + 0.5).astype(np.int64)
    return index


def read_case_image(case: Case) -> tuple[Array, tuple[float, ...] | None]:
    """All modalities of a case, (C, *S) float32, and mm a voxel along each axis; None where neither the file nor the case says."""
    scans = read_images(case.images)
    image, geometry = scans[0]
    return stacked([scan for scan, _ in scans], case.images), known_spacing(geometry, image.ndim, case.spacing)


def stacked(scans: Sequence[Array], sources: Sequence[Source]) -> Array:
    """Modalities as one array (C, *S) that may be written to: memory of its own unless there is only one, out of a file."""
    if len(scans) == 1 and file_of(sources[0]) is not None and scans[0].flags.writeable:
        return scans[0][None]
    return np.stack(scans)


def known_spacing(geometry: Geometry, dimensions: int, given: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """mm a voxel along each axis, as the file says or else as it was given."""
    return geometry.spacing(dimensions) if geometry.known else given


def prepare(
    cases: Sequence[Case],
    preparation: Preparation,
    classes: int,
    cache: Path | None = None,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> list[Prepared]:
    """Check all cases, then read, normalise and cache those that are not cached yet.

    Headers of all cases are checked first (milliseconds a case), then the voxels. A label is opened only where a case has one.

    Args:
        cases: in the order of the result. Arrays in memory are prepared in memory.
        preparation: what to do to each.
        classes: number of classes K with the background; label values must lie in 0..K-1.
        cache: folder for the prepared arrays; by default that of `Cache`.
        workers: threads that read files.
        progress: called with (cases done, cases in all).

    Raises:
        DataError: one message on all faulty cases (the first 10 by name): files missing or damaged, image and label that do not
            match in shape or place, label values out of range.
        CacheError: prepared scans cannot be kept.
    """
    check_headers(cases, MOST_FAULTS)
    store = Cache(cache)
    prepared: dict[int, Arrays] = {}
    faults: dict[int, str] = {}
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        running = {pool.submit(_prepare_case, case, preparation, classes, store): i for i, case in enumerate(cases)}
        try:
            for future in as_completed(running):
                i = running[future]
                _collect(future, i, cases[i], prepared, faults)
                if progress is not None:
                    progress(len(prepared) + len(faults), len(cases))
        finally:
            pool.shutdown(cancel_futures=True)  # an interrupt, or a full disk, does not wait for the cases not yet begun
    raise_faults([faults[i] for i in sorted(faults)], len(cases), MOST_FAULTS)
    return [item for i, case in enumerate(cases) for item in _items(case, *prepared[i], preparation)]


def _collect(future: Future[Arrays], i: int, case: Case, prepared: dict[int, Arrays], faults: dict[int, str]) -> None:
    try:
        prepared[i] = future.result()
    except CacheError:
        raise
    except DataError as error:
        faults[i] = named(case, error)


def _prepare_case(case: Case, preparation: Preparation, classes: int, store: Cache) -> Arrays:
    settings = f"{preparation.model_dump_json()} {case.spacing if preparation.spacing is not None else ''}"

    def make_image() -> Array:
        image, spacing = read_case_image(case)
        return _cut(prepare_image(image, preparation, spacing, overwrite=True), preparation, 1)

    image = store.get(case.images, f"image {settings}", make_image)
    source = case.label
    if source is None:
        return image, None

    def make_label() -> Array:
        label = read_classes(source, case.label_map, case.labeled_part)
        check_classes(label, classes, describe(source))
        shape, geometry = read_header(case.images[0])
        label = prepare_label(label, preparation, known_spacing(geometry, len(shape), case.spacing))
        refuse_nothing_labeled(label, describe(source))
        return _cut(label, preparation, 0)

    return image, store.get((source,), f"label {classes} {sorted(case.label_map.items())} {case.labeled_part} {settings}", make_label)


def _items(case: Case, image: Array, label: Array | None, preparation: Preparation) -> Iterator[Prepared]:
    """A 3D scan for a 2D model lies slices first: (N, C, H, W) and (N, H, W)."""
    if preparation.slice_axis is None or image.ndim < 4:
        yield Prepared.of(case, case.id, image, label)
        return
    for k in range(len(image)):
        yield Prepared.of(case, f"{case.id}#{k}", image[k], None if label is None else label[k])


def _cut(array: Array, preparation: Preparation, channel_axes: int) -> Array:
    """The array in C order, the slice axis of a 3D scan in front, so that a slice is one piece of the file."""
    if preparation.slice_axis is None or array.ndim - channel_axes < 3:
        return np.ascontiguousarray(array)
    return np.ascontiguousarray(np.moveaxis(array, preparation.slice_axis + channel_axes, 0))


def _resized(array: Array, preparation: Preparation) -> Array:
    """`array` (C, *S) with the two axes of a slice at the size that is asked for."""
    axes = [axis for axis in range(array.ndim - 1) if array.ndim < 4 or axis != preparation.slice_axis]
    if preparation.resize is None:
        return array
    if len(axes) != 2:
        raise SettingsError(f"resize {preparation.resize} is for slices, and the scan is 3D. Set slice_axis (0..2), or leave resize out.")
    for axis, new_size in zip(axes, preparation.resize, strict=True):
        array = np.take(array, nearest(array.shape[axis + 1], new_size), axis=axis + 1)
    return array
