"""Supervised-only: the control that every semi-supervised method has to beat."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from semiseg.case import Batch
from semiseg.functional.losses import segmentation_loss
from semiseg.methods.base import Method, MethodSettings, Step, Task


class SupervisedSettings(MethodSettings):
    """Settings of supervised-only training."""

    weight: float = Field(1.0, gt=0, description="weight of the supervised loss")


class Supervised(Method[SupervisedSettings]):
    """One network, labelled scans alone.

    $L = \\tfrac12 (\\mathrm{CE} + \\mathrm{Dice})$ with the network, batch, augmentation and optimiser of the method that it stands beside.
    """

    title = "Supervised-only"
    paper = "Milletari et al., 3DV 2016; Ronneberger et al., MICCAI 2015"
    year = 2016
    Settings = SupervisedSettings
    uses_unlabeled = False

    def __init__(self, task: Task, settings: SupervisedSettings) -> None:
        super().__init__(task, settings)
        self.network = task.network.network()

    def forward(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        logits = self.network(batch.labeled.image)
        return {"supervised": self.settings.weight * segmentation_loss(logits, batch.labeled.label)}

    def predict_logits(self, image: Tensor) -> Tensor:
        logits: Tensor = self.network(image)
        return logits
