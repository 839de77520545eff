"""Run folders as a training leaves them, with masks that are right to a known degree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from semiseg.case import Array, Case, Geometry
from semiseg.config import make_run
from semiseg.data.formats import write_label
from semiseg.evaluation.evaluate import Evaluation, Pair, evaluate
from semiseg.evaluation.results import Provenance
from semiseg.run_folder import RunFolder

CLASSES = ("organ", "vessel")
SHAPE, SPACING = (20, 24, 12), (1.0, 1.0, 2.0)
Runs = dict[str, tuple[RunFolder, Evaluation]]


def box(size: int, shift: int = 0) -> Array:
    """A cube of class 1 with a side of `size`, beside it one of class 2; `shift` voxels along axis 0."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[2 + shift : 2 + shift + size, 4 : 4 + size, 2 : 2 + size] = 1
    labels[2 + shift : 6 + shift, 16:20, 2:6] = 2
    return labels


def finished(
    path: Path, method: str, cases: list[Case], masks: list[Array], data: Path | None = None, seed: int = 0, labeled: int | None = None
) -> tuple[RunFolder, Evaluation]:
    settings = {"folder": data, "labeled": labeled, "classes": CLASSES, "channels": 1}
    run = make_run({"method": method, "seed": seed, "data": settings, "training": {"patch": (16, 16, 16)}})
    folder = RunFolder.create(path, run)
    ids = {"labeled": ["a", "b"][:labeled], "unlabeled": ["c", "d", "e"], "validation": [], "test": [case.id for case in cases]}
    folder.write_json("split.json", ids)
    folder.write_json("cost.json", {"device": "cpu", "seconds": 12.3, "seconds_per_step": 0.12, "peak_memory_mb": 345.6})
    folder.write_text("log.csv", "step,stage,loss\n10,pretrain,1.5\n20,pretrain,1.0\n30,self-train,1.2\n40,self-train,0.7\n")
    pairs = []
    for case, mask in zip(cases, masks, strict=True):
        write_label(folder.predictions / f"{case.id}.nii.gz", mask, Geometry.from_spacing(SPACING))
        assert case.label is not None
        pairs.append(Pair(case.id, folder.predictions / f"{case.id}.nii.gz", case.label, case.spacing))
    source = Provenance("sealed, last step", method, seed, 0, labeled or 2, "0123456789abcdef", "0.1")
    evaluation = replace(evaluate(pairs, CLASSES), provenance=source)
    evaluation.to_json(path / "scores.json")
    return folder, evaluation
