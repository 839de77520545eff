"""Numbers of slices as people write them: `3-8;12`."""

from __future__ import annotations

import re
from collections.abc import Sequence


def parse_range(text: str) -> range:
    """`3-8` as 3, 4, ..., 8; `12` as 12 alone.

    Raises:
        ValueError: anything else.
    """
    match = re.fullmatch(r"(\d+)(?:\s*-\s*(\d+))?", text)
    if match is None or (match[2] and int(match[2]) < int(match[1])):
        raise ValueError(f"{text!r} is no slice and no range of slices; expected for instance 3-8;12")
    return range(int(match[1]), int(match[2] or match[1]) + 1)


def written_ranges(numbers: Sequence[int]) -> str:
    """Numbers of slices as text: runs of successive ones as ranges, `;` between them."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ";".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
