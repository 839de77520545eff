"""CML, cross-view mutual learning (Wu et al., ACM MM 2024): two subnets that see differently teach each other."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from semiseg.case import Batch, Labeled, Unlabeled
from semiseg.functional.ema import ema_update, frozen_copy
from semiseg.functional.losses import feature_conflict_loss, segmentation_loss
from semiseg.functional.mixing import Box, halves, mix, random_box
from semiseg.functional.pseudo_labels import hard_labels, keep_largest_components
from semiseg.methods.base import Method, MethodSettings, Stage, Step, Task, pretrained_stages
from semiseg.networks import TwoViews


class CMLSettings(MethodSettings):
    """Settings of CML. `variant: released` sets the four settings in which the authors' code departs, unless they are given."""

    RELEASED: ClassVar[dict[str, Any]] = {
        "shared_network": True,
        "cross_region": "outside",
        "pseudo_labels": "train",
        "box_reaches_border": False,
    }

    variant: Literal["corrected", "released"] = Field("corrected", description="corrected, or as the authors' code does it")
    pretrain: float = Field(0.25, ge=0, lt=1, description="share of the steps on labelled scans alone (published: LA 2/17, ACDC 1/4)")
    labeled_weight: float = Field(1.0, ge=0, description="weight of the loss on mixed labelled scans (published: 1)")
    unlabeled_weight: float = Field(1.0, ge=0, description="weight of the loss on mixed unlabelled scans (published: LA 1, ACDC 0.5)")
    feature_weight: float = Field(0.2, ge=0, description="weight of the feature conflict; 0 switches it off (published: LA 0.2, ACDC 0.1)")
    mutual_learning: Literal["heterogeneous", "cross", "own", "off"] = Field(
        "heterogeneous",
        description="whose pseudo-labels: the other's in one region and its own in the rest; the other's; its own; none",
    )
    cutmix: bool = Field(True, description="mix pairs of scans; off: scans are used as they are")
    box_ratio: float = Field(
        2 / 3, gt=0, le=1, description="side of the CutMix box over the side of the patch (published: LA 2/3, ACDC 1/2)"
    )
    largest_component: bool = Field(True, description="pseudo-labels keep the largest component of each class (published: on)")
    pseudo_labels: Literal["train", "eval", "ema"] = Field(
        "ema",
        description="made in train mode (dropout on: released), in eval mode, or by a moving average of both views in eval mode",
    )
    ema_decay: float = Field(0.99, ge=0, lt=1, description="decay of that moving average (Tarvainen and Valpola 2017: 0.99)")
    cross_region: Literal["box", "outside"] = Field(
        "box", description="where the other view's pseudo-label counts: in the box (the authors' figure) or outside it (their code)"
    )
    shared_network: bool = Field(False, description="2D: one encoder and decoder run twice, as in the authors' code by a slip")
    box_reaches_border: bool = Field(True, description="the box may lie at the far border; the authors' code leaves out the last place")

    @property
    def wants_unlabeled(self) -> bool:
        return self.mutual_learning != "off"


class CML(Method[CMLSettings]):
    r"""Two encoders and two decoders that upsample differently see the same image; their mean predicts.

    With $S = \tfrac12(\mathrm{CE} + \mathrm{Dice})$ and $R(f, g) = 1 + \overline{\cos}(f, \mathrm{sg}\,g)$ over bottleneck positions:

    - pre-training: $\lambda_l [S(z_1, y) + S(z_2, y)] + \lambda_d [R(f_1, f_2) + R(f_2, f_1)]$ on
      $x = \mathrm{mix}(x_a, x_b)$, $y$ likewise;
    - self-training adds $\lambda_u [S(z_1, T_1) + S(z_2, T_2)] + \lambda_d [R(f_1, f_2) + R(f_2, f_1)]$ on mixed unlabelled scans, where
      the target $T_i$ of each subnet is mixed out of both subnets' pseudo-labels: the other's in the box, its own in the rest.

    Pseudo-labels are the largest components of the labels that a moving average of both subnets gives; paper and released code take the
    subnets themselves (`pseudo_labels`).
    """

    title = "CML"
    paper = "Wu et al., Cross-View Mutual Learning for Semi-Supervised Medical Image Segmentation, ACM MM 2024"
    year = 2024
    Settings = CMLSettings

    def __init__(self, task: Task, settings: CMLSettings) -> None:
        super().__init__(task, settings)
        self.views = TwoViews(task.network, shared=settings.shared_network and task.dimensions == 2)
        if settings.pseudo_labels == "ema":
            self.teacher = frozen_copy(self.views)

    def stages(self, steps: int) -> list[Stage]:
        return pretrained_stages(steps, self.settings.pretrain)

    def forward(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        losses = self.labeled_losses(batch.labeled, step)
        if step.stage.name == "self-train" and self.settings.mutual_learning != "off":
            for name, loss in self.unlabeled_losses(batch.unlabeled, step).items():
                losses[name] = losses[name] + loss if name in losses else loss
        return losses

    def labeled_losses(self, labeled: Labeled, step: Step) -> dict[str, Tensor]:
        """Both views against the mixed label, and the feature conflict."""
        box = self.box(labeled.image, step)
        target = mix(*self.pair(labeled.label), box)
        return self.view_losses("labeled", self.settings.labeled_weight, mix(*self.pair(labeled.image), box), (target, target))

    def unlabeled_losses(self, unlabeled: Unlabeled, step: Step) -> dict[str, Tensor]:
        """Both views against targets that are mixed out of both views' pseudo-labels, and the feature conflict."""
        first, second = self.pseudo_labels(unlabeled.image)
        box = self.box(unlabeled.image, step)
        targets = (self.target(first, second, box), self.target(second, first, box))
        return self.view_losses("unlabeled", self.settings.unlabeled_weight, mix(*self.pair(unlabeled.image), box), targets)

    def view_losses(self, name: str, weight: float, image: Tensor, targets: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """The segmentation loss of both views under `name`, and both directions of the feature conflict."""
        first, second, features1, features2 = self.views(image)
        losses = {name: weight * (segmentation_loss(first, targets[0]) + segmentation_loss(second, targets[1]))}
        if self.settings.feature_weight > 0:
            conflict = feature_conflict_loss(features1, features2) + feature_conflict_loss(features2, features1)
            losses["feature_conflict"] = self.settings.feature_weight * conflict
        return losses

    def pair(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """The two halves of a batch, to be mixed; without CutMix, the batch twice (mixing it with itself changes nothing)."""
        return halves(batch) if self.settings.cutmix else (batch, batch)

    def box(self, image: Tensor, step: Step) -> Box:
        return random_box(step.generator, tuple(image.shape[2:]), self.settings.box_ratio, self.settings.box_reaches_border)

    def target(self, own: Tensor, other: Tensor, box: Box) -> Tensor:
        """What one view has to predict, given its own and the other view's pseudo-labels (B, *S)."""
        if self.settings.mutual_learning == "cross":
            own = other
        elif self.settings.mutual_learning == "own":
            other = own
        outside, inside = (own, other) if self.settings.cross_region == "box" else (other, own)
        return mix(self.pair(outside)[0], self.pair(inside)[1], box)

    @torch.no_grad()
    def pseudo_labels(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Hard labels (U, *S) of both views."""
        network = self.teacher if self.settings.pseudo_labels == "ema" else self.views
        training = network.training
        network.train(self.settings.pseudo_labels == "train")
        first, second = (hard_labels(logits) for logits in network(image)[:2])
        network.train(training)
        if self.settings.largest_component:
            both = keep_largest_components(torch.cat([first, second]), self.task.classes)
            first, second = both.chunk(2)
        self.health = {"view_agreement": (first == second).float().mean(), "pseudo_foreground": (first > 0).float().mean()}
        return first, second

    @torch.no_grad()
    def after_step(self, step: Step) -> None:
        if self.settings.pseudo_labels == "ema":
            ema_update(self.teacher, self.views, self.settings.ema_decay, step.overall, average_buffers=True)

    def predict_views(self, image: Tensor) -> list[Tensor]:
        return list(self.views(image)[:2])

    def label_views(self, image: Tensor) -> list[Tensor]:
        network = self.teacher if self.settings.pseudo_labels == "ema" else self.views
        return [hard_labels(logits) for logits in network(image)[:2]]

    def joined(self, views: list[Tensor]) -> Tensor:
        return (views[0] + views[1]) / 2

    def predict_logits(self, image: Tensor) -> Tensor:
        return self.joined(self.predict_views(image))
