"""What is wrong with a data set, file by file: every file is opened once, and only a few numbers a case are kept."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np

from semiseg.case import Case, Geometry
from semiseg.data.check import compare_grids, named
from semiseg.data.dataset import Dataset
from semiseg.data.formats import describe, read_image, read_label
from semiseg.data.labels import renumbered, way_out
from semiseg.errors import DataError

SPACING_FACTOR = 2.0
"""A voxel this much longer or shorter than the median along any axis is worth a look: a structure then has twice or half the voxels."""

Grid = tuple[str, tuple[int, ...], Geometry]
"""Name, shape and geometry of an image."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. An error stops a training or makes its score wrong; a warning may be meant.

    `kind`: file, grid, constant, label values, empty label, spacing or duplicate. `message` names the file and the way out.
    """

    severity: Literal["error", "warning"]
    kind: str
    case: str
    message: str


@dataclass(frozen=True)
class Look:
    """What one look at a case leaves. `digest` of its voxels and `spacing` are None where unknown, `values` where there is no label."""

    case: str
    part: str
    findings: tuple[Finding, ...]
    digest: str | None
    spacing: tuple[float, ...] | None
    label: str
    values: frozenset[int] | None


def inspect(dataset: Dataset, workers: int = 4, progress: Callable[[int, int], None] | None = None) -> list[Finding]:
    """Everything that is wrong with the files of a data set, in the order of its cases. Nothing is changed.

    Labels of validation and test cases are opened too; what they hold decides nothing but whether they can be used.

    Args:
        dataset: from `open_folder`, which refuses what is wrong with the layout (a patient in two splits, a missing modality).
        workers: threads that read files.
        progress: called with (cases done, cases in all).
    """
    parts = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    todo = [(part, case) for part, cases in parts.items() for case in cases]
    looks: list[Look] = []
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        for look in pool.map(lambda item: look_at(*item), todo):
            looks.append(look)
            if progress is not None:
                progress(len(looks), len(todo))
    found = [finding for look in looks for finding in look.findings]
    classes = None if dataset.named is None else len(dataset.named) + 1
    found += [*stray_values(looks, classes), *odd_spacings(looks), *duplicates(looks)]
    order = {look.case: k for k, look in enumerate(looks)}
    return sorted(found, key=lambda finding: order[finding.case])


def look_at(part: str, case: Case) -> Look:
    """Open all files of a case once."""
    found: list[Finding] = []
    grid: Grid | None = None
    digest, complete = hashlib.blake2b(digest_size=16), True
    for source in case.images:
        try:
            voxels, geometry = read_image(source)
            if voxels.min() == voxels.max():
                found.append(
                    Finding(
                        "error", "constant", case.id, f"{describe(source)}: all voxels have one value. Export it again, or leave it out."
                    )
                )
            digest.update(str(voxels.shape).encode() + np.ascontiguousarray(voxels).tobytes())
            grid = _on_grid(case, (describe(source), voxels.shape, geometry), grid, found)
        except DataError as error:
            found.append(Finding("error", "file", case.id, named(case, error)))
            complete = False
    spacing = grid[2].spacing(len(grid[1])) if grid is not None and grid[2].known else None
    values = None if case.label is None else _label_values(case, grid, found)
    name = "" if case.label is None else describe(case.label)
    return Look(case.id, part, tuple(found), digest.hexdigest() if complete else None, spacing, name, values)


def _on_grid(case: Case, image: Grid, first: Grid | None, found: list[Finding]) -> Grid:
    """The grid of the case: that of its first image, with which others are compared."""
    if first is None:
        return image
    try:
        compare_grids(*image, *first)
    except DataError as error:
        found.append(Finding("error", "grid", case.id, str(error)))
    return first


def _label_values(case: Case, grid: Grid | None, found: list[Finding]) -> frozenset[int] | None:
    assert case.label is not None
    try:
        label, geometry = read_label(case.label)
    except DataError as error:
        found.append(Finding("error", "file", case.id, named(case, error)))
        return None
    _on_grid(case, (describe(case.label), label.shape, geometry), grid, found)
    values = frozenset(int(value) for value in np.unique(renumbered(label, case.label_map)))
    if values == {0}:
        message = f"{describe(case.label)}: holds background alone. If nobody has labelled it, remove the file: then it is unlabelled."
        found.append(Finding("warning", "empty label", case.id, message))
    return values


def stray_values(looks: Sequence[Look], classes: int | None) -> Iterator[Finding]:
    """Labels with values that are no class: beyond the named ones, or else beyond the first gap in the values of all labels."""
    present = {value for look in looks for value in look.values or ()}
    count = classes or next(k for k in range(1, len(present) + 2) if k not in present)
    help_out = way_out(present) if classes is None else way_out(present, count)
    for look in looks:
        strays = sorted(value for value in look.values or () if not 0 <= value < count)
        if strays:
            found = ", ".join(map(str, sorted(look.values or ())))
            message = f"{look.label}: label has values {{{found}}}; of all labels, {', '.join(map(str, strays))} fit no class. {help_out}."
            yield Finding("error", "label values", look.case, message)


def odd_spacings(looks: Sequence[Look]) -> Iterator[Finding]:
    """Scans whose voxels are far longer or shorter than the median along an axis."""
    known = [look.spacing for look in looks if look.spacing is not None]
    if not known or len({len(spacing) for spacing in known}) > 1:
        return
    median = np.median(np.array(known), axis=0)
    for look in looks:
        if look.spacing is not None and max(np.abs(np.log(np.array(look.spacing) / median))) >= np.log(SPACING_FACTOR):
            text, usual = (" x ".join(f"{float(side):.3g}" for side in sides) for sides in (look.spacing, median))
            message = f"{look.case}: voxels of {text} mm, where {usual} mm is usual. Resample it, or check its header."
            yield Finding("warning", "spacing", look.case, message)


def duplicates(looks: Sequence[Look]) -> Iterator[Finding]:
    """The same voxels under two names: a leak where the two are in different parts."""
    alike: defaultdict[str, list[Look]] = defaultdict(list)
    for look in looks:
        if look.digest is not None:
            alike[look.digest].append(look)
    for first, *others in alike.values():
        for other in others:
            leak = first.part != other.part
            said = f"{other.case}: has the same voxels as {first.case}" + (f", which is for {first.part}, and this for {other.part}" * leak)
            yield Finding("error" if leak else "warning", "duplicate", other.case, f"{said}. Keep one of them.")
