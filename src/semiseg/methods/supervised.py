"""Supervised-only: the control that every semi-supervised method has to beat."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor

from semiseg.case import Batch
from semiseg.functional.dice import DICE
from semiseg.functional.losses import segmentation_loss
from semiseg.methods.base import Method, MethodSettings, Step, Task


class SupervisedSettings(MethodSettings):
    """Settings of supervised-only training."""

    weight: float = Field(1.0, gt=0, description="weight of the supervised loss")
    dice: Literal["sample_class", "class_squared", "foreground_squared", "foreground"] = Field(
        "sample_class",
        description="Dice of the method beside it: sample_class CML, BCP in 3D; class_squared Mean Teacher, CPS (published on ACDC); "
        "foreground_squared UA-MT, SASSNet, DTC, MCF (published on LA); foreground MC-Net, SS-Net in 3D",
    )


class Supervised(Method[SupervisedSettings]):
    r"""One network, labelled scans alone.

    $$L = \tfrac12 (\mathrm{CE} + \mathrm{Dice})$$

    with the network, augmentation and optimiser of the method that it stands beside. It sees `training.steps` x `training.labeled_batch`
    labelled patches. **A fair control sees as many as the method does:** give both the same steps and the same labelled batch, as every
    run has unless told otherwise. The published ACDC control fills the whole batch with labelled slices (24 against 12 + 12), so it sees
    twice as many; `training.labeled_batch=12` evens that. A method that trains longer (CML on LA: 17,000 steps) wants a control as long.
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
        loss = segmentation_loss(self.network(batch.labeled.image), batch.labeled.label, DICE[self.settings.dice])
        return {"supervised": self.settings.weight * loss}

    def predict_logits(self, image: Tensor) -> Tensor:
        logits: Tensor = self.network(image)
        return logits
