"""Reads the next scan while the present one is predicted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from semiseg.case import Case
from semiseg.data.formats import read_header
from semiseg.inference.predictor import Predictor
from semiseg.inference.scan import Scan

Take = Callable[[], Scan]
"""Gives the scan, or raises what its reading raised."""

LARGEST = 2**29
"""Bytes of a scan in float32 that may lie in memory beside the one that is predicted; larger ones are read in their turn, a small
part of the time that they take."""


def read_ahead(predictor: Predictor, cases: Sequence[Case]) -> Iterator[Take]:
    """For each case, what gives its scan. At most one waits in memory."""
    with ThreadPoolExecutor(1, "read-ahead") as pool:
        coming: Future[Scan | None] | None = None
        for k, case in enumerate(cases):
            present = partial(_take, predictor, case, coming)
            coming = pool.submit(_read_if_small, predictor, cases[k + 1]) if k + 1 < len(cases) else None
            yield present


def _take(predictor: Predictor, case: Case, read: Future[Scan | None] | None) -> Scan:
    scan = None if read is None else read.result()
    return predictor.read(case.images, case.spacing) if scan is None else scan


def _read_if_small(predictor: Predictor, case: Case) -> Scan | None:
    return None if is_large(case) else predictor.read(case.images, case.spacing)


def is_large(case: Case) -> bool:
    """Whether a scan should not lie in memory beside another one."""
    return 4 * sum(math.prod(read_header(source)[0]) for source in case.images) > LARGEST
