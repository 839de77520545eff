"""A whole training by the plain step: do the scores differ from semiseg's own?

PYTHONPATH=benchmarks/speed python benchmarks/hippocampus.py DATA/hippocampus --methods cml plain_method:PlainCML --labeled 4 --seeds 0 1 \\
    --set settings.variant=released --out runs/plain
"""

from __future__ import annotations

import plain_network
import plain_step
from torch import Tensor

from semiseg.case import Batch
from semiseg.methods import Stage, Step
from semiseg.methods.cml import CML


class PlainCML(CML):
    """CML `variant: released` by the released script's steps, on PyTorch's own layers; batches are the engine's."""

    title = "CML, plain"

    def begin(self, stage: Stage) -> None:
        super().begin(stage)
        plain_network.plain(self)

    def forward(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        image, label, settings = batch.labeled.image.contiguous(), batch.labeled.label, self.settings
        box = self.box(image, step)
        losses = {"labeled": plain_step.labeled_losses(self.views, image, label, box, settings.feature_weight)}
        if step.stage.name == "self-train":
            unlabeled, weights = batch.unlabeled.image.contiguous(), (settings.unlabeled_weight, settings.feature_weight)
            losses["unlabeled"] = plain_step.unlabeled_losses(self.views, unlabeled, self.box(unlabeled, step), weights)
        return losses
