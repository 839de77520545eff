"""Run folders as a training leaves them, with masks that are right to a known degree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from semiseg.case import Array, Case, Geometry
from semiseg.config import make_run
from semiseg.data.formats import write_label
from semiseg.evaluation.evaluate import Evaluation, Pair, evaluate
from semiseg.evaluation.metrics import ClassScore
from semiseg.evaluation.results import CaseScore, Provenance
from semiseg.reporting.runs import Training
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
    path: Path,
    method: str,
    cases: list[Case],
    masks: list[Array],
    data: Path | None = None,
    seed: int = 0,
    labeled: int | None = None,
    **settings: Any,
) -> tuple[RunFolder, Evaluation]:
    given = {"folder": data, "labeled": labeled, "classes": CLASSES, "channels": 1}
    run = make_run({"method": method, "seed": seed, "data": given, "training": {"patch": (16, 16, 16)}, "settings": settings})
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


def many_cases(count: int, shape: tuple[int, ...] = (64, 72, 40)) -> list[Case]:
    """Noise with two boxes in it: pictures that compress as badly as real scans do."""
    label = np.zeros(shape, np.uint8)
    label[10:30, 20:50, 8:30] = 1
    label[34:50, 30:50, 10:24] = 2
    generator = np.random.default_rng(0)
    return [
        Case(f"case_{i:02}", (label + generator.normal(0, 1, shape).astype(np.float32),), label, spacing=(1.0, 1.0, 1.5))
        for i in range(count)
    ]


def many_runs(
    path: Path, cases: list[Case], methods: tuple[str, ...], budgets: tuple[int, ...], seeds: tuple[int, ...], watched: bool = True
) -> list[Training]:
    """Run folders of a grid with made-up scores: later methods and larger budgets are better, and scan 0 is hard for everybody."""
    found = []
    for place, method in enumerate(methods):
        for labeled in budgets:
            for seed in seeds:
                generator = np.random.default_rng([place, labeled, seed])
                level = 0.9 - 0.4 * labeled**-0.7 + 0.01 * place
                dices = np.clip(level + generator.normal(0, 0.03, len(cases)) - 0.2 * (np.arange(len(cases)) == 0), 0, 1)
                found.append(made_up(path / f"{method}-{labeled}-{seed}", method, labeled, seed, cases, dices, watched))
    return found


def made_up(path: Path, method: str, labeled: int, seed: int, cases: list[Case], dices: Array, watched: bool) -> Training:
    settings = {"labeled": labeled, "classes": CLASSES, "channels": 1}
    folder = RunFolder.create(path, make_run({"method": method, "seed": seed, "data": settings, "training": {"patch": (16, 16, 16)}}))
    ids = {"labeled": [f"l{i}" for i in range(labeled)], "unlabeled": ["u"], "validation": [], "test": [case.id for case in cases]}
    folder.write_json("split.json", ids)
    folder.write_json("cost.json", {"device": "cpu", "seconds": 12.3, "seconds_per_step": 0.12, "peak_memory_mb": 345.6})
    folder.write_text("log.csv", WATCHED if watched and method != "supervised" else "step,stage,loss\n10,train,1.5\n20,train,0.5\n")
    for case in cases if seed == 0 else ():  # of several trainings the first is shown
        assert isinstance(case.label, np.ndarray)
        write_label(folder.predictions / f"{case.id}.nii.gz", np.roll(case.label, 2, axis=0), Geometry.from_spacing((1.0, 1.0, 1.5)))
    scores = tuple(
        CaseScore(case.id, tuple(made_up_score(name, float(dice)) for name in CLASSES)) for case, dice in zip(cases, dices, strict=True)
    )
    source = Provenance("sealed, last step", method, seed, 0, labeled, "0123456789abcdef", "0.1")
    evaluation = Evaluation(CLASSES, scores, source)
    evaluation.to_json(path / "scores.json")
    return folder, evaluation


def made_up_score(name: str, dice: float) -> ClassScore:
    away = 10 * (1 - dice)
    return ClassScore(name, "ok", dice, dice / (2 - dice), away, away / 3, away / 3, away, away / 3, away / 3, 100, 100, 150.0, 150.0)


WATCHED = "step,stage,loss,pseudo_volume/organ,pseudo_volume/vessel,pseudo_agreement,pseudo_change\n" + "".join(
    f"{step},{'pretrain' if step <= 500 else 'self-train'},{2 / step},"
    + (f"{1 + 0.1 * (-1) ** (step // 100)},{0.5 if step < 1500 else 0.01},0.9,0.1\n" if step > 500 else ",,,\n")
    for step in range(100, 2001, 100)
)
"""The log of a training of 2,000 steps in which the vessel's pseudo-labels collapse."""
