"""Label maps as classes: read, renumbered where a file's values are not 0, 1, 2, ..., and the way out where they do not fit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field, PlainSerializer

from semiseg.case import IGNORE, WHOLE_LABEL, Array, LabeledPart, Source
from semiseg.data.formats import describe, read_label
from semiseg.errors import DataError

IGNORED = "ignore"
"""How people write `IGNORE` in a label map."""
STORED_IGNORE = 255
"""`IGNORE` in a prepared label, which is uint8. So there are at most 255 classes, the background among them."""
Box = tuple[tuple[int, int], ...]
"""(first, past the last) along each axis."""


def parse_class(value: Any) -> Any:
    """A class number, or `IGNORE` where `ignore` is written."""
    return IGNORE if isinstance(value, str) and value.strip().lower() == IGNORED else value


def written_class(number: int) -> int | str:
    """The opposite of `parse_class`."""
    return IGNORED if number == IGNORE else number


ClassNumber = Annotated[
    int, Field(ge=IGNORE, lt=STORED_IGNORE), BeforeValidator(parse_class), PlainSerializer(written_class, return_type=int | str)
]
"""What a value in a label file stands for, as people write it."""


def read_classes(source: Source, label_map: Mapping[int, int], part: LabeledPart = WHOLE_LABEL) -> Array:
    """The label map (*S) as class numbers, `IGNORE` where nobody labelled.

    Raises:
        DataError: as `read_label` and `classes_of`.
    """
    return classes_of(read_label(source)[0], label_map, part, describe(source))


def classes_of(label: Array, label_map: Mapping[int, int], part: LabeledPart = WHOLE_LABEL, name: str = "label") -> Array:
    """Class numbers out of the values (*S) of a label file, `IGNORE` where nobody labelled.

    Args:
        label: as in the file.
        label_map: value -> class number or `IGNORE`; other values stay.
        part: what of it somebody labelled.
        name: of the file, for errors.

    Raises:
        DataError: a value that is not named is `IGNORE` itself, or slices are named that are not there.
    """
    if IGNORE not in label_map and label.dtype.kind == "i" and (label == IGNORE).any():
        raise DataError(
            f"{name}: label holds {IGNORE}, which is no class. Map it: --label-map {IGNORE}:0 makes it background, "
            f"{IGNORE}:{IGNORED} says that nobody labelled these voxels."
        )
    known = known_voxels(label, part, name)
    classes = renumbered(label, label_map)
    return classes if known is None else np.where(known, _signed(classes), IGNORE)


def renumbered(label: Array, label_map: Mapping[int, int]) -> Array:
    """`label` with every value that is a key of `label_map` replaced, all at once (1 and 2 may change places); others stay."""
    if not label_map:
        return label
    result = _signed(label) if IGNORE in label_map.values() else label.astype(np.promote_types(label.dtype, np.uint8))
    for value, new in label_map.items():
        result[label == value] = new
    return result


def known_voxels(label: Array, part: LabeledPart, name: str = "label") -> Array | None:
    """Whether somebody labelled each voxel of a label (*S) with the values of its file; None where everything is labelled.

    Raises:
        DataError: slices are named that are not there.
    """
    if part == WHOLE_LABEL:
        return None
    known = np.ones(label.shape, bool) if part.values is None else np.isin(label, part.values)
    if part.slices is not None:
        if label.ndim < 3:
            raise DataError(f"{name}: labeled_slices names slices of a scan that has {label.ndim} axes. Leave it out.")
        count = label.shape[part.axis]
        if not 0 <= min(part.slices) <= max(part.slices) < count:
            raise DataError(
                f"{name}: labeled_slices names slice {max(part.slices)}; expected 0..{count - 1} along axis {part.axis % label.ndim}. "
                "Slices count from 0; slice_axis says along which axis."
            )
        others = np.delete(np.arange(count), part.slices)
        np.moveaxis(known, part.axis, 0)[others] = False
    return known


def labeled_values(source: Source, label_map: Mapping[int, int], part: LabeledPart = WHOLE_LABEL) -> list[int]:
    """The values of a label file, as they stand there, at voxels that somebody labelled."""
    label = read_label(source)[0]
    known = known_voxels(label, part, describe(source))
    values = np.unique(label if known is None else label[known]).tolist()
    return [int(value) for value in values if label_map.get(int(value)) != IGNORE]


def stored(classes: Array) -> Array:
    """Class numbers (*S) as they are kept: uint8, `IGNORE` as `STORED_IGNORE`."""
    if classes.dtype == np.uint8:
        return classes
    return np.where(classes == IGNORE, STORED_IGNORE, classes).astype(np.uint8)


def labeled_box(label: Array) -> Box | None:
    """Where labelled voxels lie in a prepared label (*S), if there are others; else None. All zeros where there are none."""
    known = label != STORED_IGNORE
    if known.all():
        return None
    box = []
    for axis in range(known.ndim):
        filled = np.flatnonzero(known.any(axis=tuple(other for other in range(known.ndim) if other != axis)))
        box.append((int(filled[0]), int(filled[-1]) + 1) if filled.size else (0, 0))
    return tuple(box)


def way_out(
    values: Collection[int], classes: int | None = None, option: str = "--label-map", label_map: Mapping[int, int] = MappingProxyType({})
) -> str:
    """The option that brings `values` to class numbers, as a sentence.

    Args:
        values: those that the files hold.
        classes: number of classes with the background; None: as many as there are, numbered in their order.
        option: its name.
        label_map: how the values were read when they did not fit; what it says stays unless it is at fault.
    """
    read = {value: label_map.get(value, value) for value in values if label_map.get(value) != IGNORE}
    found = sorted({number for number in read.values() if number > 0})
    kept = [] if classes is None else [number for number in found if number < classes]
    free = [k for k in range(1, len(found) + 1 if classes is None else classes) if k not in kept]
    strays = [number for number in found if number not in kept]
    numbers = {number: number for number in kept} | dict(zip(strays, free, strict=False))
    pairs = {**label_map, **{value: numbers.get(number, 0) for value, number in read.items()}}
    text = ",".join(f"{value}:{written_class(k)}" for value, k in sorted(pairs.items()) if value != k or value in label_map)
    return f"Map them, for instance with {option} {text}"


def values_of(numbers: Collection[int], label_map: Mapping[int, int]) -> set[int]:
    """The values in a label file that are read as class `numbers`, those that may not be there among them."""
    return {value for value, number in label_map.items() if number in numbers} | {k for k in numbers if k not in label_map}


def mapped_names(names: Sequence[str], old: Mapping[int, int], new: Mapping[int, int]) -> tuple[str, ...] | None:
    """Names of the classes 1, 2, ... when the files' values mean `new` instead of `old`; classes that became one are joined by ` + `.

    None where a class number is left without a name, so that names have to be given anew.
    """
    joined: dict[int, list[str]] = {}
    for k, name in enumerate(names, start=1):
        for value in [value for value, number in old.items() if number == k] or [k]:
            joined.setdefault(new.get(value, value), []).append(name)
    for unnamed in (0, IGNORE):
        joined.pop(unnamed, None)
    if sorted(joined) != list(range(1, len(joined) + 1)):
        return None
    return tuple(" + ".join(dict.fromkeys(joined[k])) for k in sorted(joined))


def _signed(label: Array) -> Array:
    """A copy of a type that holds all of its values and `IGNORE`."""
    return label.astype(np.int16 if label.itemsize == 1 else np.int64)
