"""From files to the arrays that a network sees: checked, normalised, and kept as memory-mapped files so that it is done once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from semiseg.case import Array, Case
from semiseg.data.cache import Cache, CacheError
from semiseg.data.check import check_classes, check_headers, named, raise_faults
from semiseg.data.formats import describe, read_images
from semiseg.data.labels import read_classes
from semiseg.errors import DataError, SettingsError

MOST_FAULTS = 10
"""How many faulty cases one message names."""

Arrays = tuple[Array, Array | None]
"""Image and label of one case."""


class Preparation(BaseModel):
    """What happens to a scan before training and before prediction alike."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    normalize: Literal["none", "zscore"] = Field(
        "zscore", description="zscore: mean 0 and deviation 1 of each scan and modality; none: as in the file"
    )
    resize: tuple[int, int] | None = Field(
        None, description="2D: slices are brought to this size by nearest neighbour; published ACDC 256, 256"
    )
    slice_axis: int | None = Field(None, ge=0, le=2, description="a 2D model on 3D scans: the axis that is cut into slices")


@dataclass(frozen=True, eq=False)
class Prepared:
    """One scan, or one slice of it, as a network sees it.

    Attributes:
        id: the case's, or `<case>#<k>` for slice k.
        image: (C, *S) float32, memory-mapped where the case lies in files.
        label: (*S) uint8, or None for an unlabelled case.
    """

    id: str
    image: Array
    label: Array | None


def prepare_image(array: Array, preparation: Preparation) -> Array:
    """One scan as a network sees it; the axes keep their order (a scan is cut into slices by whoever needs slices).

    Args:
        array: (C, *S), one channel a modality.
        preparation: what to do.

    Returns:
        (C, *S) float32; with `resize` the two axes of a slice have the new size.

    Raises:
        DataError: all voxels of a modality have one value, so that it cannot be normalised.
        SettingsError: `resize` for a 3D scan that is not cut into slices, or a `slice_axis` that it does not have.
    """
    image = np.asarray(array, dtype=np.float32)
    if preparation.normalize == "zscore":
        image = np.stack([_zscore(channel) for channel in image])
    return np.ascontiguousarray(_resized(image, preparation))


def prepare_label(label: Array, preparation: Preparation) -> Array:
    """A label map (*S) on the grid of the prepared image, uint8."""
    return np.ascontiguousarray(_resized(label.astype(np.uint8)[None], preparation)[0])


def nearest(size: int, new_size: int) -> Array:
    """Which of `size` samples each of `new_size` takes: nearest neighbour with the corners on the corners (scipy's `zoom` of order 0)."""
    step = (size - 1) / (new_size - 1) if new_size > 1 else 0.0
    index: Array = np.floor(np.arange(new_size) * step + 0.5).astype(np.int64)
    return index


def read_case_image(case: Case) -> Array:
    """All modalities of a case. (C, *S) float32"""
    return np.stack([image for image, _ in read_images(case.images)])


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
    settings = preparation.model_dump_json()
    image = store.get(case.images, f"image {settings}", lambda: _cut(prepare_image(read_case_image(case), preparation), preparation, 1))
    source = case.label
    if source is None:
        return image, None

    def make_label() -> Array:
        label = read_classes(source, case.label_map)
        check_classes(label, classes, describe(source))
        return _cut(prepare_label(label, preparation), preparation, 0)

    return image, store.get((source,), f"label {classes} {sorted(case.label_map.items())} {settings}", make_label)


def _items(case: Case, image: Array, label: Array | None, preparation: Preparation) -> Iterator[Prepared]:
    """A 3D scan for a 2D model lies slices first: (N, C, H, W) and (N, H, W)."""
    if preparation.slice_axis is None or image.ndim < 4:
        yield Prepared(case.id, image, label)
        return
    for k in range(len(image)):
        yield Prepared(f"{case.id}#{k}", image[k], None if label is None else label[k])


def _cut(array: Array, preparation: Preparation, channel_axes: int) -> Array:
    """Bring the slice axis of a 3D scan to the front, so that a slice is one piece of the file."""
    if preparation.slice_axis is None or array.ndim - channel_axes < 3:
        return array
    return np.ascontiguousarray(np.moveaxis(array, preparation.slice_axis + channel_axes, 0))


def _zscore(channel: Array) -> Array:
    mean, deviation = channel.mean(dtype=np.float64), channel.std(dtype=np.float64)
    if deviation == 0:
        raise DataError(
            f"all voxels have the value {channel.flat[0]:g}, so the scan cannot be normalised. Leave it out, or set normalize: none."
        )
    normalized: Array = ((channel - np.float32(mean)) / np.float32(deviation)).astype(np.float32)
    return normalized


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
