"""What the training scans of a data set are like: sizes, voxel sizes and grey values, from all headers and a few scans.

Labels are read of labelled training cases alone, and no validation or test case is opened.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from semiseg.case import Array, Case
from semiseg.data.cache import Cache
from semiseg.data.check import axis_codes
from semiseg.data.dataset import Split, find_classes
from semiseg.data.formats import read_header
from semiseg.data.labels import read_classes
from semiseg.data.preparation import known_spacing, read_case_image

VERSION = 2
"""To be raised by whoever changes what is measured."""
SCANS_READ = 12
"""Scans whose voxels are read: half of them labelled, spread evenly over each kind."""
VOXELS_KEPT = 100_000
"""Of each scan that is read, evenly spread."""
AIR = -900.0
"""Hounsfield units at which a voxel counts as air: air is -1000 by the definition of the scale (water 0), noise is some ten units."""
AIR_SHARE = 0.01
"""Of a scan's voxels that are air or padding in a CT; around a body it is a quarter and more."""
PERCENTILES = (0.5, 50.0, 99.5)
"""nnU-Net clips CT to the first and the last (Isensee et al., Nature Methods 2021)."""


@dataclass(frozen=True)
class GreyValues:
    """Of one modality.

    Attributes:
        ct: all values are whole numbers, and at least a hundredth of them is air in Hounsfield units; in most of the scans read.
        low, median, high: percentiles 0.5, 50 and 99.5 of all voxels.
        mean, std: of the voxels between low and high.
        of_labels: low, high, mean and std were taken over labelled foreground alone.
    """

    ct: bool
    low: float
    median: float
    high: float
    mean: float
    std: float
    of_labels: bool


@dataclass(frozen=True)
class Fingerprint:
    """What a plan knows of a data set.

    Attributes:
        labeled, unlabeled: training cases with and without labels.
        shapes: voxels along the file's axes, of each training case.
        spacings: mm a voxel, likewise; empty where it is not known of all cases.
        modalities: grey values of each.
        classes: names of the foreground classes.
        axes: where the axes of each training case run, such as RAS; empty where its file does not say.
    """

    labeled: int
    unlabeled: int
    shapes: tuple[tuple[int, ...], ...]
    spacings: tuple[tuple[float, ...], ...]
    modalities: tuple[GreyValues, ...]
    classes: tuple[str, ...]
    axes: tuple[str, ...] = ()

    @property
    def dimensions(self) -> int:
        """Axes of a scan, 2 or 3."""
        return len(self.shapes[0])

    @cached_property
    def median_shape(self) -> tuple[int, ...]:
        return tuple(int(side) for side in np.median(np.array(self.shapes), axis=0))

    def summary(self) -> dict[str, Any]:
        """The same without a row for each case."""
        shapes, spacings = np.array(self.shapes), np.array(self.spacings)
        sides = {name: [int(side) for side in np.percentile(shapes, q, axis=0)] for name, q in RANGE.items()}
        mm = (
            {name: [round(float(s), 4) for s in np.percentile(spacings, q, axis=0)] for name, q in RANGE.items()} if self.spacings else None
        )
        axes = dict(Counter(code for code in self.axes if code).most_common())
        return {
            "labeled": self.labeled,
            "unlabeled": self.unlabeled,
            "voxels": sides,
            "spacing_mm": mm,
            "axes": axes,
            "modalities": [asdict(modality) for modality in self.modalities],
            "classes": self.classes,
        }


RANGE = {"smallest": 0, "median": 50, "largest": 100}


def fingerprint(split: Split, classes: tuple[str, ...] | None = None, workers: int = 2, cache: Cache | None = None) -> Fingerprint:
    """The fingerprint of a split's training cases; found in the cache unless a file has changed.

    Args:
        split: its validation and test cases are left alone.
        classes: names of the classes; None: found in the labels of the labelled cases.
        workers: threads that read headers.
        cache: where it is kept; by default with the prepared scans.

    Raises:
        DataError: a file is not readable, or the values of the labels are not 0, 1, 2, ...
    """
    cases = (*split.labeled, *split.unlabeled)
    sources = [source for case in cases for source in case.images] + [case.label for case in split.labeled if case.label is not None]
    spacings = [case.spacing for case in cases]
    meanings = [(case.label is not None, sorted(case.label_map.items()), case.labeled_part) for case in cases]
    recipe = f"fingerprint {VERSION} {classes} {spacings} {meanings}"
    stored = (cache or Cache()).get(sources, recipe, lambda: _as_bytes(_measured(split, classes, workers)))
    return _from_bytes(stored)


def _measured(split: Split, classes: tuple[str, ...] | None, workers: int) -> Fingerprint:
    cases = (*split.labeled, *split.unlabeled)
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        grids = list(pool.map(_grid, cases))
    known = [spacing for _, spacing, _ in grids if spacing is not None]
    named = classes or find_classes(split.labeled)
    labeled, unlabeled = some(split.labeled, SCANS_READ // 2), some(split.unlabeled, SCANS_READ // 2)
    return Fingerprint(
        len(split.labeled),
        len(split.unlabeled),
        tuple(shape for shape, _, _ in grids),
        tuple(known) if len(known) == len(cases) else (),
        grey_values([*labeled, *unlabeled]),
        named,
        tuple(axes for _, _, axes in grids),
    )


def _grid(case: Case) -> tuple[tuple[int, ...], tuple[float, ...] | None, str]:
    """Shape, voxel size and axes."""
    shape, geometry = read_header(case.images[0])
    return shape, known_spacing(geometry, len(shape), case.spacing), axis_codes(geometry, len(shape)) if geometry.known else ""


def some(cases: Sequence[Case], count: int) -> list[Case]:
    """At most `count` cases, evenly spread."""
    return [cases[i] for i in sorted({int(k) for k in np.linspace(0, len(cases) - 1, min(count, len(cases)))})]


def grey_values(cases: Iterable[Case]) -> tuple[GreyValues, ...]:
    """Grey values of each modality over `cases`, one scan in memory at a time; of labelled foreground where there is enough of it."""
    sampled: list[list[Array]] = []
    foreground: list[list[Array]] = []
    ct: list[list[bool]] = []
    for case in cases:
        image, _ = read_case_image(case)  # (C, *S)
        inside = None if case.label is None else read_classes(case.label, case.label_map, case.labeled_part).reshape(-1) > 0
        flat = image.reshape(len(image), -1)
        sampled.append([spread(channel) for channel in flat])
        ct.append([is_ct(channel) for channel in flat])
        if inside is not None and inside.any():
            foreground.append([spread(channel[inside]) for channel in flat])
    return tuple(
        _summarized(np.concatenate(values), [scan[k] for scan in foreground], sum(scan[k] for scan in ct) * 2 > len(ct))
        for k, values in enumerate(zip(*sampled, strict=True))
    )


def is_ct(values: Array) -> bool:
    """Whether the voxels of a scan are Hounsfield units: whole numbers, some of them air."""
    return bool((values <= AIR).mean() >= AIR_SHARE) and bool((values == np.rint(values)).all())


def spread(values: Array) -> Array:
    """At most `VOXELS_KEPT` of the values, evenly spread."""
    return np.asarray(values[:: -(-values.size // VOXELS_KEPT)], dtype=np.float64)


def _summarized(everything: Array, foreground: list[Array], ct: bool) -> GreyValues:
    median = float(np.percentile(everything, PERCENTILES[1]))
    inside = np.concatenate(foreground) if foreground else everything
    low, _, high = (float(value) for value in np.percentile(inside, PERCENTILES))
    of_labels = bool(foreground) and low < high
    if not of_labels:
        inside = everything
        low, _, high = (float(value) for value in np.percentile(inside, PERCENTILES))
    clipped = np.clip(inside, low, high)
    return GreyValues(ct, low, median, high, float(clipped.mean()), float(clipped.std()), of_labels)


def _as_bytes(found: Fingerprint) -> Array:
    return np.frombuffer(json.dumps(asdict(found)).encode(), np.uint8)


def _from_bytes(stored: Array) -> Fingerprint:
    values = json.loads(stored.tobytes())
    values["shapes"], values["spacings"] = (tuple(map(tuple, values[name])) for name in ("shapes", "spacings"))
    values["classes"], values["axes"] = tuple(values["classes"]), tuple(values["axes"])
    return Fingerprint(**{**values, "modalities": tuple(GreyValues(**m) for m in values["modalities"])})
