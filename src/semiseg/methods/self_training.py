"""Self-training (Lee, ICML workshops 2013): the network's own hard labels, taken at their word."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from semiseg.case import Batch
from semiseg.functional.losses import segmentation_loss
from semiseg.functional.pseudo_labels import hard_labels
from semiseg.methods.base import Stage, Step, pretrained_stages
from semiseg.methods.pools import OneNetwork, PoolSettings


class SelfTrainingSettings(PoolSettings):
    """Settings of plain self-training."""

    pretrain: float = Field(0.25, ge=0, lt=1, description="share of the steps on labelled scans alone (CML on ACDC: 1/4)")
    weight: float = Field(1.0, ge=0, description="weight of the pseudo-labels afterwards (CML on LA: 1; Lee: 3)")


class SelfTraining(OneNetwork[SelfTrainingSettings]):
    r"""After a supervised start, each unlabelled voxel is taught the class that the network gives it at that step: no tricks.

    $$L = S(z_l, y) + \lambda S(z_u, \arg\max \mathrm{sg}(z_u)), \quad S = \tfrac12 (\mathrm{CE} + \mathrm{Dice})$$

    with $\lambda = 0$ while it is pre-trained. No teacher, no threshold, no mixing: the control that tells what the other methods add to
    pseudo-labels. One network is trained and predicts.
    """

    title = "Self-training"
    paper = "Lee, Pseudo-Label, ICML Workshop on Challenges in Representation Learning 2013"
    year = 2013
    Settings = SelfTrainingSettings

    def stages(self, steps: int) -> list[Stage]:
        return pretrained_stages(steps, self.settings.pretrain)

    def forward(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        if step.stage.name == "pretrain" or self.settings.weight == 0:
            return {"supervised": segmentation_loss(self.network(batch.labeled.image), batch.labeled.label)}
        labeled = len(batch.labeled.image)
        logits = self.on_all(self.network, batch.images(), labeled)
        labels = hard_labels(logits[labeled:].detach())
        self.health = {"pseudo_foreground": (labels > 0).float().mean()}
        return {
            "supervised": segmentation_loss(logits[:labeled], batch.labeled.label),
            "pseudo_labels": self.settings.weight * segmentation_loss(logits[labeled:], labels),
        }
