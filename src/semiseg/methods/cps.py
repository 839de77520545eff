"""CPS, cross pseudo supervision (Chen et al., CVPR 2021): two networks, each the other's teacher."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from semiseg.case import Batch
from semiseg.functional.dice import class_squared_dice_loss
from semiseg.functional.losses import segmentation_loss
from semiseg.functional.pseudo_labels import hard_labels
from semiseg.functional.schedules import consistency_weight
from semiseg.methods.base import Step, Task
from semiseg.methods.pools import PoolMethod, PoolSettings


class CPSSettings(PoolSettings):
    """Settings of CPS. `released` is SSL4MIS, from which the field's numbers on medical scans come."""

    RELEASED: ClassVar[dict[str, Any]] = {
        **PoolSettings.RELEASED,
        "pseudo_labels_on": "unlabeled",
        "initialization": "by_dimension",
    }

    variant: Literal["corrected", "released"] = Field("corrected", description="corrected, or as SSL4MIS does it")
    weight: float = Field(0.1, ge=0, description="weight of the cross supervision when its ramp is up (SSL4MIS: 0.1; paper: 1.5)")
    ramp: float = Field(1.0, ge=0, le=1, description="share of the steps over which the weight ramps up (SSL4MIS: 1; paper: no ramp, 0)")
    pseudo_labels_on: Literal["unlabeled", "all"] = Field(
        "all", description="images on which the networks teach each other: all in the paper, unlabeled in SSL4MIS"
    )
    initialization: Literal["drawn_twice", "by_dimension"] = Field(
        "drawn_twice", description="two draws of one kind; or in 3D Kaiming's and Xavier's, as SSL4MIS does (in 2D it forgets to)"
    )


class CPS(PoolMethod[CPSSettings]):
    r"""Two networks of one architecture and different initial weights learn each other's hard pseudo-labels.

    $$L = \sum_i \tfrac12 (\mathrm{CE} + \mathrm{Dice})(z_i, y) + w(t) [\mathrm{CE}(z_1, \hat y_2) + \mathrm{CE}(z_2, \hat y_1)], \quad
    \hat y_i = \arg\max \mathrm{sg}(z_i)$$

    Both are trained, on the same images; the first predicts. The paper's optional CutMix is left out, as in SSL4MIS.
    """

    title = "CPS"
    paper = "Chen et al., Semi-Supervised Semantic Segmentation with Cross Pseudo Supervision, CVPR 2021"
    year = 2021
    Settings = CPSSettings

    def __init__(self, task: Task, settings: CPSSettings) -> None:
        super().__init__(task, settings)
        self.first, self.second = task.network.network(), task.network.network()
        if settings.initialization == "by_dimension":
            for network, draw in ((self.first, nn.init.kaiming_normal_), (self.second, nn.init.xavier_normal_)):
                for module in network.modules():
                    if isinstance(module, nn.Conv3d):
                        draw(module.weight)

    def forward(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        images, labels, labeled = self.images(batch), batch.labeled.label, len(batch.labeled.image)
        first, second = (self.on_all(network, images, labeled).float() for network in (self.first, self.second))  # (L + U, K, *S)
        supervised = [segmentation_loss(logits[:labeled], labels, class_squared_dice_loss) for logits in (first, second)]
        losses = {"supervised": supervised[0] + supervised[1]}
        weight = consistency_weight(step, self.settings.weight, self.settings.ramp)
        if weight > 0:
            start = 0 if self.settings.pseudo_labels_on == "all" else labeled
            losses["cross"] = weight * self.cross_loss(first[start:], second[start:])
        return losses

    def cross_loss(self, first: Tensor, second: Tensor) -> Tensor:
        """Each network's cross entropy against the other's hard labels; logits (B, K, *S)."""
        first_labels, second_labels = hard_labels(first.detach()), hard_labels(second.detach())
        self.health = {"view_agreement": (first_labels == second_labels).float().mean()}
        return F.cross_entropy(first, second_labels) + F.cross_entropy(second, first_labels)

    def predict_logits(self, image: Tensor) -> Tensor:
        logits: Tensor = self.first(image)
        return logits

    def predict_views(self, image: Tensor) -> list[Tensor]:
        return [self.first(image), self.second(image)]
