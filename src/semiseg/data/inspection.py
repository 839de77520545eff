"""What is wrong with a data set, file by file: each case is looked at once, then all are compared."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from semiseg.case import Array
from semiseg.data.check import axis_codes
from semiseg.data.dataset import Dataset
from semiseg.data.faults import LayoutError, some
from semiseg.data.labels import values_of, way_out
from semiseg.data.look import Finding, Look, See, look_at

SPACING_FACTOR = 2.0
"""A voxel this much longer or shorter than the median along any axis is worth a look: a structure then has twice or half the voxels."""
SIZE_FACTOR = 4.0
"""A scan this much shorter than the median along any axis is worth a look: a scout, or an export that was cut off."""
SHOWN = 8
"""Values that a message lists."""


def inspect(
    dataset: Dataset,
    workers: int = 4,
    progress: Callable[[int, int], None] | None = None,
    see: See | None = None,
    faults: Sequence[LayoutError] = (),
) -> list[Finding]:
    """Everything that is wrong with the files of a data set, in the order of its cases. Nothing is changed.

    Labels of validation and test cases are opened too; what they hold decides nothing but whether they can be used.

    Args:
        dataset: from `open_folder`.
        workers: threads that read files; as many cases are in memory.
        progress: called with (cases done, cases in all).
        see: called for each case in one of these threads, with its first image and its label.
        faults: what was wrong with the layout when it was opened; they are among the findings.
    """
    todo = [(part, case) for part, cases in dataset.parts.items() for case in cases]
    looks: list[Look] = []
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        for look in pool.map(lambda item: look_at(item[0], item[1], see), todo):
            looks.append(look)
            if progress is not None:
                progress(len(looks), len(todo))
    order = {look.case: k for k, look in enumerate(looks)}
    found = [Finding("error", fault.kind, fault.case, str(fault)) for fault in faults]
    return sorted([*found, *_findings(looks, dataset)], key=lambda finding: order.get(finding.case, -1))


def _findings(looks: Sequence[Look], dataset: Dataset) -> Iterator[Finding]:
    if not any(look.label for look in looks if look.part == "train"):
        message = f"{dataset.name}: no training case has a label that can be read. Label at least one scan."
        yield Finding("warning", "no label", "", message)
    yield from passed_over(dataset)
    for look in looks:
        yield from look.findings
    label_map = next((case.label_map for cases in dataset.parts.values() for case in cases), {})
    yield from stray_values(looks, None if dataset.named is None else len(dataset.named) + 1, label_map)
    yield from empty_labels(looks)
    yield from odd_spacings(looks)
    yield from odd_sizes(looks)
    yield from odd_orientations(looks)
    yield from duplicates(looks)
    yield from copied_labels(looks)


def passed_over(dataset: Dataset) -> Iterator[Finding]:
    """What lies among the scans and is none, folder by folder."""
    for folder in dict.fromkeys(path.parent for path in dataset.unread):
        files = some([path for path in dataset.unread if path.parent == folder])
        message = f"{folder}: {files} cannot be read as a scan, and so passed over. Convert what is a scan to NIfTI, or take it out."
        yield Finding("warning", "unread files", "", message)


def stray_values(looks: Sequence[Look], classes: int | None, label_map: Mapping[int, int]) -> Iterator[Finding]:
    """Labels with values that are no class: beyond the named ones, or else beyond the first gap in the values of all labels.

    `label_map` says how the values were read from the files.
    """
    present = {value for look in looks for value in look.values or ()}
    count = classes or next(k for k in range(1, len(present) + 2) if k not in present)
    for look in looks:
        strays = sorted(value for value in look.values or () if not 0 <= value < count)
        if strays:
            held = present if classes is None else look.values or ()  # unnamed classes are numbered over all labels
            help_out = "Map those that are classes with --label-map, or export it again"
            if len(held) <= SHOWN:
                help_out = way_out(values_of(held, label_map), classes, label_map=label_map)
            message = (
                f"{look.label}: label has values {{{_some(look.values or ())}}}; of all labels, {_some(strays)} fit no class. {help_out}."
            )
            yield Finding("error", "label values", look.case, message)


def empty_labels(looks: Sequence[Look]) -> Iterator[Finding]:
    """Labels of background alone, but for slices of a volume: its first and last often show nothing of an organ."""
    filled = {look.group for look in looks if look.group and look.label_digest is not None}
    for look in looks:
        slices = look.grid is not None and len(look.grid[1]) == 2
        if look.values == frozenset({0}) and not (slices and look.group in filled):
            message = f"{look.label}: holds background alone. If nobody has labelled it, remove the file: then it is unlabelled."
            yield Finding("warning", "empty label", look.case, message)


def odd_spacings(looks: Sequence[Look]) -> Iterator[Finding]:
    """Scans whose voxels are far longer or shorter than the median along an axis."""
    spacings = {look.case: look.grid[2].spacing(len(look.grid[1])) for look in looks if look.grid is not None and look.grid[2].known}
    for case, spacing, median in _outliers(spacings, SPACING_FACTOR, both_ways=True):
        message = f"{case}: voxels of {_product(spacing)} mm, where {_product(median)} mm is usual. Resample it, or check its header."
        yield Finding("warning", "spacing", case, message)


def odd_sizes(looks: Sequence[Look]) -> Iterator[Finding]:
    """Scans that show far less than others along an axis: in mm where that is known of all, else in voxels."""
    grids = {look.case: look.grid for look in looks if look.grid is not None}
    known = all(geometry.known for _, _, geometry in grids.values())
    sizes = {
        case: tuple(n * (s if known else 1.0) for n, s in zip(shape, geometry.spacing(len(shape)), strict=True))
        for case, (_, shape, geometry) in grids.items()
    }
    for case, size, median in _outliers(sizes, SIZE_FACTOR, both_ways=False):
        unit = "mm" if known else "voxels"
        message = f"{case}: shows {_product(size)} {unit}, where {_product(median)} is usual. If it is a scout, or cut off, leave it out."
        yield Finding("warning", "size", case, message)


def odd_orientations(looks: Sequence[Look]) -> Iterator[Finding]:
    """Scans whose axes run otherwise than those of most: a network sees the axes of the file."""
    codes = {look.case: axis_codes(look.grid[2], len(look.grid[1])) for look in looks if look.grid is not None and look.grid[2].known}
    usual, count = next(iter(Counter(codes.values()).most_common(1)), ("", 0))
    for case, code in codes.items():
        if code != usual and 2 * count > len(codes):
            message = f"{case}: its axes run {code}, those of most scans {usual}. Reorient it together with its label, or leave it out."
            yield Finding("warning", "orientation", case, message)


def duplicates(looks: Sequence[Look]) -> Iterator[Finding]:
    """The same voxels under two names: a leak where the two are in different parts."""
    first: dict[str, tuple[Look, str]] = {}
    for look in looks:
        copies = [(first[key], name) for name, key in look.images if key in first]
        for name, key in look.images:
            first.setdefault(key, (look, name))
        if copies:
            (other, source), name = copies[0]
            leak = look.part != other.part
            said = f"{name}: has the same voxels as {source}" + f", which is for {other.part}, and this for {look.part}" * leak
            yield Finding("error" if leak else "warning", "duplicate", look.case, f"{said}. Keep one of them.")


def copied_labels(looks: Sequence[Look]) -> Iterator[Finding]:
    """The same label of two different scans: one has the other's."""
    alike: defaultdict[str, list[Look]] = defaultdict(list)
    for look in looks:
        if look.label_digest is not None:
            alike[look.label_digest].append(look)
    for first, *others in alike.values():
        for other in others:
            if {key for _, key in first.images}.isdisjoint(key for _, key in other.images):
                message = (
                    f"{other.label}: is the same as {first.label}, and their scans differ. One of them is of another scan: export it again."
                )
                yield Finding("warning", "duplicate", other.case, message)


def _outliers(
    sides: dict[str, tuple[float, ...]], factor: float, both_ways: bool
) -> Iterator[tuple[str, tuple[float, ...], tuple[float, ...]]]:
    """(case, its sides, the median sides) where one is `factor` times shorter than the median, or longer; all must have as many axes."""
    if not sides or len({len(values) for values in sides.values()}) > 1:
        return
    median: Array = np.median(np.array(list(sides.values())), axis=0)
    for case, values in sides.items():
        shorter = np.log(median / np.array(values))
        if max(np.abs(shorter) if both_ways else shorter) >= np.log(factor):
            yield case, values, tuple(float(side) for side in median)


def _product(sides: Sequence[float]) -> str:
    return " x ".join(f"{side:.3g}" for side in sides)


def _some(values: Sequence[int] | frozenset[int]) -> str:
    """The first values as text, and how many more there are."""
    ordered = sorted(values)
    more = f" and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
    return ", ".join(map(str, ordered[:SHOWN])) + more
