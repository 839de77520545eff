"""SASSNet (Li et al., MICCAI 2020): shapes drawn without a label should pass for shapes drawn with one."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from semiseg.case import Batch
from semiseg.functional.schedules import consistency_weight
from semiseg.methods.base import FixedAdam, Step, Task
from semiseg.methods.distance_maps import DistanceMapMethod, DistanceMapSettings
from semiseg.networks.discriminator import Discriminator


class SASSNetSettings(DistanceMapSettings):
    """Settings of SASSNet."""

    weight: float = Field(
        0.01, ge=0, description="weight of the adversarial loss; 0 switches it off (published: 0.01, or 0.015 for 8 labels)"
    )
    discriminator_rate: float = Field(1e-4, gt=0, description="learning rate of the discriminator's Adam, not scheduled (published: 1e-4)")


class SASSNet(DistanceMapMethod[SASSNetSettings]):
    r"""A network with two heads, probabilities $p$ and signed distance maps $s$, against a discriminator $D$ that looks at maps and image.

    Two updates a step. The network's, with $D$ held still and its dropout off:

    $$L = \mathrm{Dice}(p, y) + \lambda\, \overline{(s - \phi(y))^2} + w(t)\, \mathrm{CE}(D(s, x), \text{labelled})$$

    The first two terms on labelled scans (squared Dice of the foreground classes; $\phi(y)$ the maps of the labels), the last on
    unlabelled ones. Then the discriminator's, on all scans, with the maps of the network in eval mode:

    $$L_D = \mathrm{CE}(D(s, x), \text{labelled or unlabelled})$$

    The paper has one foreground class. With $K$ classes there are $K - 1$ maps, which $D$ sees together, and the softmax of $K - 1$ logits
    beside a background logit of 0, which with $K = 2$ is the paper's sigmoid. The segmentation head predicts.
    """

    title = "SASSNet"
    paper = "Li et al., Shape-aware Semi-supervised 3D Semantic Segmentation for Medical Images, MICCAI 2020"
    year = 2020
    Settings = SASSNetSettings

    def __init__(self, task: Task, settings: SASSNetSettings) -> None:
        super().__init__(task, settings)
        self.discriminator = Discriminator(task.dimensions, task.network.channels, task.classes - 1)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"main": list(self.network.parameters()), "discriminator": list(self.discriminator.parameters())}

    def fixed_optimizers(self) -> dict[str, FixedAdam]:
        return {"discriminator": FixedAdam(self.settings.discriminator_rate, betas=(0.9, 0.99))}

    def updates(self, batch: Batch, step: Step) -> Iterator[tuple[str, dict[str, Tensor]]]:
        yield "main", self(batch, step)
        if self.settings.weight > 0:
            yield "discriminator", {"discrimination": self.discriminator_loss(batch)}

    def forward(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        labeled, settings = len(batch.labeled.image), self.settings
        losses, _, distances = self.supervised(batch)
        if settings.weight > 0:
            weight = consistency_weight(step, settings.weight, settings.ramp)
            losses["adversarial"] = weight * self.adversarial_loss(distances[labeled:], batch.unlabeled.image)
        return losses

    def adversarial_loss(self, distances: Tensor, image: Tensor) -> Tensor:
        """How far the maps of unlabelled scans are from passing for those of labelled ones; teaches the network alone."""
        self.discriminator.eval().requires_grad_(False)
        verdict = self.discriminator(distances, image).float()  # (U, 2)
        self.discriminator.train(self.training).requires_grad_(True)
        self.health = {"taken_for_labeled": verdict.detach().argmax(1).float().mean()}
        return F.cross_entropy(verdict, torch.ones_like(verdict[:, 0], dtype=torch.long))

    def discriminator_loss(self, batch: Batch) -> Tensor:
        """How badly the discriminator tells labelled scans from unlabelled ones by the maps; teaches the discriminator alone."""
        images = batch.images()
        self.network.eval()
        with torch.no_grad():
            distances = self.network(images)[1]
        self.network.train(self.training)
        truth = torch.arange(len(images), device=images.device) < len(batch.labeled.image)
        return F.cross_entropy(self.discriminator(distances, images).float(), truth.long())
