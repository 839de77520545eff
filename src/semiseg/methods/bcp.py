"""BCP, bidirectional copy-paste (Bai et al., CVPR 2023): labelled into unlabelled scans, and the other way round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from semiseg.case import Batch, Labeled
from semiseg.errors import SettingsError
from semiseg.functional.dice import sample_class_dice_loss, unsmoothed_class_squared_dice_loss
from semiseg.functional.ema import ema_update, frozen_copy
from semiseg.functional.losses import segmentation_loss
from semiseg.functional.mixing import Box, halves, mix, random_box
from semiseg.functional.pseudo_labels import hard_labels, keep_largest_components
from semiseg.functional.regions import region_loss, whole_background
from semiseg.methods.base import Method, MethodSettings, Stage, Step, Task, pretrained_stages

DICE: dict[str, Callable[..., Tensor]] = {"sample_class": sample_class_dice_loss, "class_squared": unsmoothed_class_squared_dice_loss}


class BCPSettings(MethodSettings):
    """Settings of BCP. `variant: released` sets the two settings in which the authors' code departs, unless they are given."""

    RELEASED: ClassVar[dict[str, Any]] = {"teacher_mode": "train", "box_reaches_border": False}

    variant: Literal["corrected", "released"] = Field("corrected", description="corrected, or as the authors' code does it")
    pretrain: float = Field(0.25, ge=0, lt=1, description="share of the steps on labelled scans alone (published: LA 2/17, ACDC 1/4)")
    fresh_optimizer: bool = Field(True, description="the second stage starts without momentum (published: LA on, ACDC off)")
    pseudo_weight: float = Field(0.5, ge=0, description="weight of a region with pseudo-labels; one with labels has 1 (published: 0.5)")
    box_ratio: float = Field(2 / 3, gt=0, le=1, description="side of the pasted box over the side of the patch (published: 2/3)")
    dice: Literal["sample_class", "class_squared"] = Field(
        "sample_class", description="Dice loss: linear over each sample (published in 3D) or squared over the batch (in 2D)"
    )
    pretrain_loss: Literal["whole", "regions"] = Field(
        "whole", description="pre-training judges the mixed image as one (published in 3D) or box and rest apart (in 2D)"
    )
    background_dice: Literal["region", "whole"] = Field(
        "region",
        description="the background's Dice of a region counts the voxels of the region, or of the whole image: a slip of the authors' 2D "
        "code until October 2023, with which the published ACDC numbers were made",
    )
    largest_component: bool = Field(True, description="pseudo-labels keep the largest component of each class (published: on)")
    ema_decay: float = Field(0.99, ge=0, lt=1, description="decay of the teacher's moving average (published: 0.99)")
    teacher_mode: Literal["train", "eval"] = Field(
        "eval", description="mode in which the teacher makes pseudo-labels; the authors' code leaves its dropout on (train)"
    )
    box_reaches_border: bool = Field(True, description="the box may lie at the far border; the authors' code leaves out the last place")


class BCP(Method[BCPSettings]):
    r"""Boxes are pasted both ways between labelled and unlabelled scans; a moving average of the network labels the latter.

    With one box $M$ a step, halves $a, b$ of both batches and pseudo-labels $\hat y$ (largest components of the teacher's labels):

    $$x_1 = \bar M \odot x^l_a + M \odot x^u_a, \qquad x_2 = \bar M \odot x^u_b + M \odot x^l_b$$

    $$L = \sum_{i=1,2} \sum_{\text{region } r \in \{M, \bar M\}} \alpha_r\, \tfrac12 (\mathrm{CE}_r + \mathrm{Dice}_r)(x_i)$$

    where $\alpha_r$ is 1 for a region with labels and `pseudo_weight` for one with pseudo-labels. Before that, the network is pre-trained
    on labelled scans that are mixed with each other, and the teacher starts from its last weights. The teacher's batch statistics are
    averaged like its weights. The student predicts.

    The authors' code pre-trained on ACDC for 30,000 steps, not 10,000, until July 2023; which of the two the published numbers had is not
    known (`pretrain` and `training.steps` give either).
    """

    title = "BCP"
    paper = "Bai et al., Bidirectional Copy-Paste for Semi-Supervised Medical Image Segmentation, CVPR 2023"
    year = 2023
    Settings = BCPSettings

    def __init__(self, task: Task, settings: BCPSettings) -> None:
        super().__init__(task, settings)
        self.student = task.network.network()
        self.teacher = frozen_copy(self.student)
        dice = DICE[settings.dice]
        self.dice: Callable[..., Tensor] = dice if settings.background_dice == "region" else whole_background(dice)

    def stages(self, steps: int) -> list[Stage]:
        return pretrained_stages(steps, self.settings.pretrain, self.settings.fresh_optimizer)

    def begin(self, stage: Stage) -> None:
        if stage.name == "self-train":
            self.teacher.load_state_dict(self.student.state_dict())

    def forward(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        box = random_box(step.generator, tuple(batch.labeled.image.shape[2:]), self.settings.box_ratio, self.settings.box_reaches_border)
        if step.stage.name == "pretrain":
            return {"labeled": self.labeled_loss(batch.labeled, box)}
        if len(batch.unlabeled.image) != len(batch.labeled.image):
            raise SettingsError(
                f"BCP pairs each labelled scan with an unlabelled one, but a batch has {len(batch.labeled.image)} and "
                f"{len(batch.unlabeled.image)}. Use equal numbers."
            )
        (first, second), (labels1, labels2) = halves(batch.labeled.image), halves(batch.labeled.label)
        unlabeled1, unlabeled2 = halves(batch.unlabeled.image)
        pseudo1, pseudo2 = self.pseudo_labels(unlabeled1), self.pseudo_labels(unlabeled2)
        self.health = {"pseudo_foreground": (torch.cat([pseudo1, pseudo2]) > 0).float().mean()}
        weight, mixed = self.settings.pseudo_weight, self.mixed_loss
        return {
            "unlabeled_into_labeled": mixed((first, labels1), (unlabeled1, pseudo1), box, outside=1, inside=weight),
            "labeled_into_unlabeled": mixed((unlabeled2, pseudo2), (second, labels2), box, outside=weight, inside=1),
        }

    def labeled_loss(self, labeled: Labeled, box: Box) -> Tensor:
        """Pre-training: the two halves of the labelled scans, mixed."""
        (first, second), (labels1, labels2) = halves(labeled.image), halves(labeled.label)
        if self.settings.pretrain_loss == "regions":
            return self.mixed_loss((first, labels1), (second, labels2), box, outside=1, inside=1)
        return segmentation_loss(self.student(mix(first, second, box)), mix(labels1, labels2, box), self.dice)

    def mixed_loss(
        self, around: tuple[Tensor, Tensor], pasted: tuple[Tensor, Tensor], box: Box, *, outside: float, inside: float
    ) -> Tensor:
        """Of (image, labels) `around`, with the box from (image, labels) `pasted`; each region with its weight."""
        image, labels = (mix(theirs, ours, box) for theirs, ours in zip(around, pasted, strict=True))
        return region_loss(self.student(image), labels, box, inside, outside, self.dice)

    @torch.no_grad()
    def pseudo_labels(self, image: Tensor) -> Tensor:
        """Hard labels of the teacher. (B, *S)"""
        labels = hard_labels(self.teacher.train(self.settings.teacher_mode == "train")(image))
        if self.settings.largest_component:
            labels = keep_largest_components(labels, self.task.classes)
        return labels

    @torch.no_grad()
    def after_step(self, step: Step) -> None:
        if step.stage.name == "self-train":
            ema_update(self.teacher, self.student, self.settings.ema_decay, step.overall, average_buffers=True)

    def label_views(self, image: Tensor) -> list[Tensor]:
        return [hard_labels(self.teacher(image))]

    def predict_logits(self, image: Tensor) -> Tensor:
        logits: Tensor = self.student(image)
        return logits
