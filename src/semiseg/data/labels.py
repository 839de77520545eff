"""Label maps as classes: read, renumbered where a file's values are not 0, 1, 2, ..., and the way out where they do not fit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from semiseg.case import Array, Source
from semiseg.data.formats import read_label


def read_classes(source: Source, label_map: Mapping[int, int]) -> Array:
    """The label map (*S) with the values that `label_map` names replaced.

    Raises:
        DataError: as `read_label`.
    """
    return renumbered(read_label(source)[0], label_map)


def renumbered(label: Array, label_map: Mapping[int, int]) -> Array:
    """`label` with every value that is a key of `label_map` replaced, all at once (1 and 2 may change places); others stay."""
    if not label_map:
        return label
    result = label.astype(np.promote_types(label.dtype, np.uint8))
    for value, new in label_map.items():
        result[label == value] = new
    return result


def way_out(values: Collection[int], classes: int | None = None) -> str:
    """The option that brings `values` to class numbers, as a sentence.

    Args:
        values: those that the files hold.
        classes: number of classes with the background; None: as many as there are values, which are numbered in their order.
    """
    if classes is None:
        numbers = {value: k for k, value in enumerate(sorted(value for value in values if value > 0), start=1)}
    else:
        numbers = {value: value for value in values if 0 <= value < classes}
        free = [k for k in range(1, classes) if k not in numbers]
        strays = sorted(value for value in values if value not in numbers and value > 0)
        numbers |= {value: free[i] if i < len(free) else 0 for i, value in enumerate(strays)}
    pairs = {value: numbers.get(value, 0) for value in sorted(values)}
    text = ",".join(f"{value}:{number}" for value, number in pairs.items() if value != number)
    return f"Map them, for instance with --label-map {text}"


def mapped_names(names: Sequence[str], old: Mapping[int, int], new: Mapping[int, int]) -> tuple[str, ...] | None:
    """Names of the classes 1, 2, ... when the files' values mean `new` instead of `old`; classes that became one are joined by ` + `.

    None where a class number is left without a name, so that names have to be given anew.
    """
    joined: dict[int, list[str]] = {}
    for k, name in enumerate(names, start=1):
        for value in [value for value, number in old.items() if number == k] or [k]:
            joined.setdefault(new.get(value, value), []).append(name)
    joined.pop(0, None)
    if sorted(joined) != list(range(1, len(joined) + 1)):
        return None
    return tuple(" + ".join(dict.fromkeys(joined[k])) for k in sorted(joined))
