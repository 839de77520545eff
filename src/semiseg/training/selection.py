"""Looks at labelled cases during training, and keeps the weights that score best."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from semiseg.case import IGNORE, Array, Case
from semiseg.config import Run
from semiseg.data.labels import read_classes
from semiseg.devices import pick_precision
from semiseg.inference.predictor import Predictor
from semiseg.inference.scan import Scan, read_scan
from semiseg.methods import Method, Stage, Step
from semiseg.run_folder import RunFolder, replacing
from semiseg.training import checkpoint
from semiseg.training.checkpoint import Look, Optimizers, Progress
from semiseg.training.health import evaluating
from semiseg.training.protocol import Part, looked_at


@dataclass(frozen=True, eq=False)
class Watched:
    """One case to look at, read and prepared once: its scan, and its label map."""

    scan: Scan
    label: Array


def read_watched(cases: Sequence[Case], run: Run) -> list[Watched]:
    """The labelled ones of some cases, in memory: 35 MB for a scan of LA."""
    return [
        Watched(read_scan(case.images, case.spacing, [run]), read_classes(case.label, case.label_map, case.labeled_part))
        for case in cases
        if case.label is not None
    ]


class Selector:
    """Predicts the watched cases at given steps and remembers the best weights of each stage in `best-STEP.pt`.

    A look changes nothing that training depends on, so a run ends with the same last weights with and without it. Scans are predicted as
    at the end (same stride and windows at a time) but for `largest_component`, which the field's looks leave out.

    Args:
        run: resolved.
        cases: to look at.
        folder: where looks.csv and the best weights are kept; its split.json says what the cases are.
        stages: of the method. Only the last is looked at, unless a stage starts from the best of the one before.
        device: of the method.
    """

    def __init__(self, run: Run, cases: Sequence[Case], folder: RunFolder, stages: Sequence[Stage], device: torch.device) -> None:
        self.rule, self.folder, self.device = run.selection, folder, device
        self.last = last_stage(stages)
        self.watched = read_watched(cases, run)
        self.part = looked_at(run, folder.read_json("split.json")["validation"])
        self.run = run.model_copy(update={"inference": run.inference.model_copy(update={"largest_component": False})})

    def due(self, step: Step) -> bool:
        """Whether to look after this step: every so many steps of the stage, and after its last."""
        if step.stage.name != self.last and not self.rule.next_stage_from_best:
            return False
        done = step.number + 1
        return done == step.stage.steps or (done >= self.rule.first and done % self.rule.every == 0)

    def look(self, method: Method[Any], optimizers: Optimizers, stage: Stage, done: Progress) -> Look:
        """Score the weights as they are, add the look to the progress, and keep the weights if no look of the stage was better."""
        began = time.monotonic()
        with evaluating(method):
            dice = self.dice(method)
        before = best(done.looks, stage.name)
        found = Look(done.step, stage.name, dice, time.monotonic() - began)
        done.looks.append(found)
        if before is None or dice > before.dice:
            checkpoint.save(weights_of(self.folder, found), method, optimizers, done)
        write_looks(self.folder, done.looks, self.part)
        return found

    def dice(self, method: Method[Any]) -> float:
        """Mean Dice over classes, each over the cases where it is found or expected; 0 if there is none."""
        predictor = Predictor(self.run, method, self.device, pick_precision(self.run.training.precision, self.device))
        classes = len(self.run.data.classes)
        scores = np.array([class_dice(predictor.answer(case.scan).labels, case.label, classes) for case in self.watched])
        per_class = [column[~np.isnan(column)].mean() for column in scores.T if not np.isnan(column).all()]
        return float(np.mean(per_class)) if per_class else 0.0

    def forget_others(self, done: Progress) -> None:
        """Remove the weights of looks that are not the best of their stage. To be called once a state is saved that says so."""
        kept = {weights_of(self.folder, look) for look in (best(done.looks, look.stage) for look in done.looks) if look is not None}
        for path in set(self.folder.path.glob("best-*.pt")) - kept:
            path.unlink()


def weights_of(folder: RunFolder, look: Look) -> Path:
    """The state behind a look; it is named by its step, so that a kill between two files leaves what the saved progress speaks of."""
    return folder.path / f"best-{look.step}.pt"


def restore_best(
    folder: RunFolder, method: nn.Module, optimizers: Optimizers, stage: str, looks: Sequence[Look], device: torch.device
) -> Look | None:
    """Put the best weights and optimiser states of a stage in place, and return their look; None, and nothing changed, without looks."""
    found = best(looks, stage)
    if found is not None:
        checkpoint.restore(weights_of(folder, found), method, optimizers, device)
    return found


def last_stage(stages: Sequence[Stage]) -> str:
    """The name of the last stage that has steps."""
    return [stage for stage in stages if stage.steps][-1].name


def best(looks: Sequence[Look], stage: str) -> Look | None:
    """The first of the highest looks of a stage."""
    return max((look for look in looks if look.stage == stage), key=lambda look: look.dice, default=None)


def class_dice(prediction: Array, reference: Array, classes: int) -> list[float]:
    """Dice of each foreground class where the reference is labelled; nan where it is in neither label map."""
    known = reference != IGNORE
    prediction, reference = prediction[known], reference[known]
    sizes = [np.bincount(labels.ravel(), minlength=classes + 1)[1 : classes + 1] for labels in (prediction, reference)]
    overlap = np.bincount(prediction.ravel()[prediction.ravel() == reference.ravel()], minlength=classes + 1)[1 : classes + 1]
    return [2 * both / total if total else math.nan for both, total in zip(overlap, sizes[0] + sizes[1], strict=True)]


def write_looks(folder: RunFolder, looks: Sequence[Look], part: Part | None) -> None:
    """looks.csv: one row a look, which says whether validation or test cases were looked at."""
    with replacing(folder.path / "looks.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*(field.name for field in fields(Look)), "looked_at"])
        writer.writeheader()
        writer.writerows({**asdict(look), "looked_at": part} for look in looks)
