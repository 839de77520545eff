"""What DTC and SASSNet share: a network that draws labels and signed distance maps, both supervised on labelled scans."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, TypeVar

from pydantic import Field
from torch import Tensor

from semiseg.case import Batch
from semiseg.functional.distance import segmentation_and_distance_losses
from semiseg.methods.base import Task
from semiseg.methods.pools import PoolMethod, PoolSettings
from semiseg.networks.two_heads import TwoHeads


class DistanceMapSettings(PoolSettings):
    """Settings of a method with distance maps. What `variant: released` sets is in `RELEASED`."""

    RELEASED: ClassVar[dict[str, Any]] = {**PoolSettings.RELEASED, "absent_class": "zero"}

    ramp: float = Field(1.0, ge=0, le=1, description="share of the steps over which the weight ramps up (published: 40*150/6000 = 1)")
    distance_weight: float = Field(0.3, gt=0, description="weight of the distance maps' squared error on labelled scans (published: 0.3)")
    absent_class: Literal["outside", "zero"] = Field(
        "outside",
        description="map of a class that a patch lacks: 1, far outside; the authors' code has 0, surface everywhere, which in 2D is common",
    )


D = TypeVar("D", bound=DistanceMapSettings)


class DistanceMapMethod(PoolMethod[D]):
    """Its `network` gives logits and distance maps; the segmentation head predicts."""

    def __init__(self, task: Task, settings: D) -> None:
        super().__init__(task, settings)
        self.network = TwoHeads(task.network)

    def set_class_prior(self, shares: Tensor) -> None:
        self.network.set_class_prior(shares)

    def supervised(self, batch: Batch) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """The losses on labelled scans; logits (L + U, K, *S) and maps (L + U, K - 1, *S) of all."""
        labeled, settings = len(batch.labeled.image), self.settings
        logits, distances = self.on_all(self.network, self.images(batch), labeled)
        losses = segmentation_and_distance_losses(
            logits[:labeled], distances[:labeled], batch.labeled.label, settings.distance_weight, settings.absent_class
        )
        return losses, logits, distances

    def predict_logits(self, image: Tensor) -> Tensor:
        logits: Tensor = self.network(image)[0]
        return logits
