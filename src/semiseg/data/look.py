"""One look at a case: each of its files is opened once, what is wrong is noted, and a few numbers are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from semiseg.case import IGNORE, Array, Case, Geometry
from semiseg.data.check import compare_grids, named
from semiseg.data.formats import describe, image_reader, read_label
from semiseg.data.labels import known_voxels
from semiseg.errors import DataError

MOST_VALUES = 255
"""A label with more values than a mask has classes is a scan that was saved as a label."""

Severity = Literal["error", "warning"]
Grid = tuple[str, tuple[int, ...], Geometry]
"""Name, shape and geometry of an image."""
See = Callable[[Case, Array, Array | None, Geometry], None]
"""What may be done with a case's first image (*S), its label (*S) or None, and the geometry, while they are in memory."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. An error stops a training or makes its score wrong; a warning may be meant.

    Attributes:
        severity: error or warning.
        kind: file, grid, constant, label values, empty label, size, spacing, orientation, duplicate, no label, or that of a `LayoutError`.
        case: the id of the case; empty where it is about none.
        message: names the file, says what is wrong with it, and the way out.
    """

    severity: Severity
    kind: str
    case: str
    message: str


@dataclass(frozen=True)
class Look:
    """What one look at a case leaves.

    Attributes:
        case: its id.
        part: train, validation or test.
        findings: what is wrong with its own files.
        images: name and digest of the voxels of each image that could be read and holds more than one value.
        grid: that of the first image; None where none could be read.
        group: of the case.
        label: name of the label file; empty where there is none.
        label_digest: of a label that holds more than background, else None.
        values: class numbers in the label; None where there is none that could be read.
    """

    case: str
    part: str
    findings: tuple[Finding, ...]
    images: tuple[tuple[str, str], ...]
    grid: Grid | None
    group: str = ""
    label: str = ""
    label_digest: str | None = None
    values: frozenset[int] | None = None


def look_at(part: str, case: Case, see: See | None = None) -> Look:
    """Open all files of a case once.

    Args:
        part: train, validation or test.
        case: what is looked at.
        see: called once, where an image could be read.
    """
    found: list[Finding] = []
    first, grid, digests = _images(case, found)
    label = _label(case, grid, found)
    if see is not None and first is not None and grid is not None:
        see(case, first, label if label is not None and label.shape == first.shape else None, grid[2])
    if case.label is None or label is None:
        return Look(case.id, part, tuple(found), digests, grid, case.group)
    name, present = describe(case.label), distinct(label)
    if len(present) > MOST_VALUES:
        message = f"{name}: holds {len(present)} values, as a scan does. Was the scan saved as its label? Export the label again."
        found.append(Finding("error", "label values", case.id, message))
        return Look(case.id, part, tuple(found), digests, grid, case.group)
    values = _classes(case, label, present, found)
    return Look(case.id, part, tuple(found), digests, grid, case.group, name, digest(label) if values != {0} else None, values)


def _images(case: Case, found: list[Finding]) -> tuple[Array | None, Grid | None, tuple[tuple[str, str], ...]]:
    """The voxels of the first image, the grid of the case, and a digest of each image."""
    read = image_reader()
    first: Array | None = None
    grid: Grid | None = None
    digests: dict[str, str] = {}
    for source in case.images:
        name = describe(source)
        try:
            voxels, geometry = read(source)
        except DataError as error:
            found.append(Finding("error", "file", case.id, named(case, error)))
            continue
        if voxels.min() == voxels.max():
            message = f"{name}: all voxels have the value {voxels.flat[0]:g}. Export it again, or leave it out."
            found.append(Finding("error", "constant", case.id, message))
        else:
            own = digest(voxels)
            found += [_copy(case, name, other) for other, theirs in digests.items() if theirs == own]
            digests[name] = own
        if first is None or grid is None:
            first, grid = voxels, (name, voxels.shape, geometry)
        else:
            _compare(case, (name, voxels.shape, geometry), grid, found)
    return first, grid, tuple(digests.items())


def _copy(case: Case, name: str, other: str) -> Finding:
    message = f"{name}: has the same voxels as {other}, another modality of {case.id}. Export the right one."
    return Finding("error", "duplicate", case.id, message)


def _label(case: Case, grid: Grid | None, found: list[Finding]) -> Array | None:
    if case.label is None:
        return None
    try:
        label, geometry = read_label(case.label)
    except DataError as error:
        found.append(Finding("error", "file", case.id, named(case, error)))
        return None
    if grid is not None:
        _compare(case, (describe(case.label), label.shape, geometry), grid, found)
    return label


def _classes(case: Case, label: Array, present: list[int], found: list[Finding]) -> frozenset[int]:
    """Class numbers at voxels that somebody labelled, none where that cannot be told; `present` are all values of the label."""
    try:
        known = known_voxels(label, case.labeled_part, describe(case.label or label))
    except DataError as error:
        found.append(Finding("error", "label values", case.id, named(case, error)))
        return frozenset()
    counted = present if known is None else distinct(label[known][:, None])
    values = frozenset(case.label_map.get(value, value) for value in counted if case.label_map.get(value) != IGNORE)
    if not values:
        message = f"{describe(case.label or label)}: no voxel is labelled. Leave the label out: then the scan is unlabelled."
        found.append(Finding("error", "empty label", case.id, named(case, DataError(message))))
    return values


def _compare(case: Case, image: Grid, first: Grid, found: list[Finding]) -> None:
    try:
        compare_grids(*image, *first)
    except DataError as error:
        found.append(Finding("error", "grid", case.id, str(error)))


def digest(voxels: Array) -> str:
    """Equal for equal voxels and shapes, whatever the order in memory. (SHA-1 is twice as fast as BLAKE2 where the processor has it.)"""
    known = hashlib.sha1(str(voxels.shape).encode(), usedforsecurity=False)
    known.update(np.ascontiguousarray(voxels.T).data)  # most formats keep the first axis together: then nothing is copied
    return known.hexdigest()


def distinct(label: Array) -> list[int]:
    """The values of a label map (*S), sorted; a plane at a time where a table can hold them, which is faster than a sort of all voxels."""
    if not label.size:
        return []
    low, high = int(label.min()), int(label.max())
    if high - low >= 1 << 16:
        return [int(value) for value in np.unique(label)]
    present = np.zeros(high - low + 1, bool)
    for plane in label.T:
        present[plane.astype(np.intp) - low] = True
    return [int(value) + low for value in np.flatnonzero(present)]
