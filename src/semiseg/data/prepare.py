"""From files to the arrays that a network sees: checked, normalised, and kept as memory-mapped files so that it is done once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semiseg.case import Array, Case
from semiseg.data.cache import Cache, CacheError
from semiseg.data.check import check_classes, check_headers, named, raise_faults, refuse_nothing_labeled
from semiseg.data.formats import describe
from semiseg.data.labels import Box, labeled_box, read_classes
from semiseg.data.preparation import Preparation, case_spacing, prepare_image, prepare_label, read_case_image
from semiseg.errors import DataError

MOST_FAULTS = 10
"""How many faulty cases one message names."""

Arrays = tuple[Array, Array | None]
"""Image and label of one case."""


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
    spacing = case_spacing(case) if preparation.spacing is not None else None
    settings = f"{preparation.model_dump_json()} {spacing or ''}"

    def make_image() -> Array:
        return _cut(prepare_image(read_case_image(case)[0], preparation, spacing, overwrite=True), preparation, 1)

    image = store.get(case.images, f"image {settings}", make_image)
    source = case.label
    if source is None:
        return image, None

    def make_label() -> Array:
        label = read_classes(source, case.label_map, case.labeled_part)
        check_classes(label, classes, describe(source), case.label_map)
        label = prepare_label(label, preparation, spacing)
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
