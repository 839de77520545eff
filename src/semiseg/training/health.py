"""The health of pseudo-labels: what a method makes of the same unlabelled patches, look after look, and when a class collapses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from semiseg.case import Batch
from semiseg.config import Run
from semiseg.methods import Method, Step
from semiseg.training.progress import say

LOOKS = 25
"""Looks over a whole training: enough for a curve, at one to two hundredths of its time."""
PROBE = 4
"""Batches that are looked at, the same ones at every look."""
FLOOR = 0.1
"""A class whose pseudo-labels hold less than this share of what the labels hold is all but gone: the mean volume over a probe of 16 patches
differs from the labels' by a factor of 2 or 3 where a training is well (hearts, hippocampi), not by one of 10."""
PATIENCE = 3
"""Looks in a row below `FLOOR` that make a collapse: an eighth of the training. One low look may be a bad step."""
TRUSTED = 0.25
"""Share of the steps before which nothing is called a collapse: networks find small classes late, and CML and BCP too pre-train for this
long before they believe a pseudo-label."""
SURE = 0.01
"""Chance that a healthy class is in none of the probe's unlabelled patches; a class for which it is larger is too rare to be judged."""
VOLUME, AGREEMENT, CHANGE = "pseudo_volume/", "pseudo_agreement", "pseudo_change"
"""Columns of log.csv. Volume: of each class, as a multiple of its share in labelled patches. Agreement: of the first two views. Change:
since the last look. The latter two are shares of the voxels that are foreground on either side."""


class Watch:
    """Looks at the pseudo-labels every few steps of the stage that learns from them, which is the last one.

    The patches are those of the first batches of the run, labelled and unlabelled ones drawn alike, so that looks differ in the networks
    alone. A run that sees no unlabelled scan is not looked at.

    Args:
        run: resolved.
        method: on its device.
        load: the batch of a step, a pure function.
        rows: of the log so far; what it warns of was said before.
        log_every: a multiple of it lies between two looks, so that their numbers are fetched with the log's.
        autocast: in which precision to look.
        show: say warnings on stderr.
    """

    def __init__(
        self,
        run: Run,
        method: Method[Any],
        load: Callable[[int], Batch],
        rows: Sequence[Mapping[str, Any]],
        log_every: int,
        autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
        show: bool = True,
    ) -> None:
        self.method, self.steps, self.autocast, self.show = method, run.training.steps, autocast, show
        self.every = log_every * max(1, round(self.steps / LOOKS / log_every))
        self.last_stage = method.stages(self.steps)[-1].name
        self.known = set(collapsed(rows, self.steps))
        self.patches: list[Tensor] = []
        self.prior: dict[str, tuple[int, float]] = {}
        self.before: list[Tensor] = []
        if run.uses_unlabeled:
            self._take_probe([load(step) for step in range(PROBE)], run.data.classes)

    def _take_probe(self, batches: Sequence[Batch], classes: Sequence[str]) -> None:
        self.patches = [batch.unlabeled.image for batch in batches]
        labels = torch.cat([batch.labeled.label for batch in batches])
        unlabeled = sum(len(patches) for patches in self.patches)
        for number, (share, holding) in enumerate(zip(*class_shares(labels, len(classes)), strict=True), start=1):
            if (1 - holding) ** unlabeled <= SURE:
                self.prior[classes[number - 1]] = number, share
            elif self.show:
                say(f"pseudo-labels: {classes[number - 1]} is in {holding:.0%} of the labelled patches, too few to watch its volume.")

    def look(self, step: Step) -> dict[str, Tensor]:
        """Scalars for the log, on the device, after the step's updates; empty where no look is due."""
        if not self.patches or step.stage.name != self.last_stage or (step.overall + 1) % self.every:
            return {}
        with torch.no_grad(), evaluating(self.method), self.autocast():
            looks = [self.method.label_views(patches) for patches in self.patches]
        views = [torch.cat(parts) for parts in zip(*looks, strict=True)]  # (all patches, *S) each
        found = {f"{VOLUME}{name}": least(views, number) / share for name, (number, share) in self.prior.items()}
        if len(views) > 1:
            found[AGREEMENT] = foreground_agreement(views[0], views[1])
        if self.before:
            found[CHANGE] = 1 - foreground_agreement(views[0], self.before[0])
        self.before = views[:1]
        return found

    def warn(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Say once of each class that it has collapsed.

        Args:
            rows: of the log.
        """
        for name, step in collapsed(rows, self.steps).items():
            if name not in self.known:
                self.known.add(name)
                if self.show:
                    say(f"Warning: {warning(name, step)}")


def least(views: Sequence[Tensor], number: int) -> Tensor:
    """The smallest share of voxels that a view gives to a class: a class that one view has lost must not hide behind the others."""
    return torch.stack([(view == number).float().mean() for view in views]).amin()


def warning(name: str, step: int) -> str:
    """What a collapse means, and what to try."""
    return (
        f"the pseudo-labels of {name} have collapsed: up to step {step}, in {PATIENCE} looks in a row, they held less than {FLOOR:.0%} of "
        f"what the labels hold (in one view, where the method has several). The unlabelled scans now teach that {name} is background. "
        "Compare with the supervised control, lower the weight of the unlabelled losses, or pre-train longer."
    )


def collapsed(rows: Sequence[Mapping[str, Any]], steps: int) -> dict[str, int]:
    """Classes whose pseudo-labels collapsed, and the step at which that was found.

    Args:
        rows: of log.csv, values as text.
        steps: of the whole training.
    """
    found: dict[str, int] = {}
    for name, looks in volumes(rows).items():
        low = 0
        for step, volume in looks:
            low = low + 1 if volume < FLOOR and step >= TRUSTED * steps else 0
            if low == PATIENCE:
                found.setdefault(name, step)
    return found


def volumes(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[int, float]]]:
    """(step, volume against the labels') of each look, by class."""
    names = dict.fromkeys(key for row in rows for key in row if key.startswith(VOLUME))
    return {name.removeprefix(VOLUME): looks_of(rows, name) for name in names}


def looks_of(rows: Sequence[Mapping[str, Any]], column: str) -> list[tuple[int, float]]:
    """(step, value) of each row that has one."""
    return [(int(row["step"]), float(row[column])) for row in rows if row.get(column) not in (None, "")]


def class_shares(labels: Tensor, classes: int) -> tuple[list[float], list[float]]:
    """Of each foreground class 1..classes: its share of the labelled voxels, and the share of patches that hold it. labels (B, *S)."""
    known = (labels >= 0) & (labels <= classes)  # other values are not labelled
    holds = torch.stack([(labels == number).flatten(1) for number in range(1, classes + 1)])  # (classes, B, voxels)
    shares = holds.sum((1, 2)) / known.sum().clamp_min(1)
    return shares.tolist(), holds.any(2).float().mean(1).tolist()


def foreground_agreement(first: Tensor, second: Tensor) -> Tensor:
    """Share of the voxels that are foreground in either of two label maps (B, *S) in which both say the same; 1 where there are none."""
    either = (first > 0) | (second > 0)
    same = (first == second) & either
    return torch.where(either.any(), same.sum() / either.sum().clamp_min(1), torch.ones((), device=first.device))


@contextmanager
def evaluating(method: Method[Any]) -> Iterator[None]:
    """Eval mode, and afterwards each module in the mode that it had."""
    modes = [(module, module.training) for module in method.modules()]
    method.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
