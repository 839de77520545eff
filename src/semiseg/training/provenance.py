"""Where the scores of a run come from, written into every score file."""

from __future__ import annotations

import hashlib
from importlib.metadata import version

import numpy as np

from semiseg.case import Source
from semiseg.config import Run
from semiseg.data.dataset import Dataset, Split, group_of
from semiseg.data.formats import files_of
from semiseg.evaluation.results import Provenance
from semiseg.training.protocol import protocol_name


def provenance(run: Run, dataset: Dataset, split: Split) -> Provenance:
    """Of the last step's weights of a run on a data set, whose own cases must not be sealed."""
    held_out = split.validation if run.selection.validation_cases else ()
    budget = len({group_of(case) for case in (*split.labeled, *held_out)})
    return Provenance(protocol_name(run), run.method, run.seed, run.data.draw, budget, fingerprint(dataset), version("semiseg"))


def fingerprint(dataset: Dataset) -> str:
    """16 hex digits out of the ids and sizes of all scans, and of the labels of the test cases; no file is opened.

    Labels of training cases are left out: a run's fingerprint depends neither on its label budget nor on labels that come later.
    """
    known = hashlib.sha256()
    for part, cases in (("train", dataset.train), ("validation", dataset.validation), ("test", dataset.test)):
        for case in sorted(cases, key=lambda case: case.id):
            labels = () if part == "train" or case.label is None else (case.label,)
            known.update(f"{part} {case.id} {[size(source) for source in (*case.images, *labels)]}\n".encode())
    return known.hexdigest()[:16]


def size(source: Source) -> int:
    """Bytes of the files of a scan, or of an array."""
    return source.nbytes if isinstance(source, np.ndarray) else sum(path.stat().st_size for path in files_of(source))
