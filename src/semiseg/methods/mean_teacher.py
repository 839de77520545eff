"""Mean Teacher (Tarvainen and Valpola, NeurIPS 2017): predict as the average of one's former selves does, noise or not."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from semiseg.case import Batch
from semiseg.functional.dice import class_squared_dice_loss
from semiseg.functional.ema import ema_update, frozen_copy
from semiseg.functional.losses import segmentation_loss
from semiseg.functional.perturbation import clipped_noise
from semiseg.functional.schedules import consistency_weight
from semiseg.methods.base import Step, Task
from semiseg.methods.pools import PoolMethod, PoolSettings


class MeanTeacherSettings(PoolSettings):
    """Settings of Mean Teacher."""

    weight: float = Field(0.1, ge=0, description="weight of the consistency when its ramp is up; 0 switches it off (published: 0.1)")
    ramp: float = Field(1.0, ge=0, le=1, description="share of the steps over which the weight ramps up (published: 40*150/6000 = 1 on LA)")
    delay: float = Field(0.0, ge=0, lt=1, description="share of the steps before any consistency (SSL4MIS: 1/30 on ACDC, 0 in 3D)")
    ema_decay: float = Field(0.99, ge=0, lt=1, description="decay of the teacher's moving average (published: 0.99)")
    noise: float = Field(0.1, ge=0, description="deviation of the noise on the teacher's images, cut off at twice it (published: 0.1)")
    consistency_on: Literal["unlabeled", "all"] = Field(
        "unlabeled", description="images on which student and teacher must agree (SSL4MIS: unlabeled; Tarvainen and Valpola: all)"
    )


class MeanTeacher(PoolMethod[MeanTeacherSettings]):
    r"""A student learns the labels, and to agree with a teacher whose weights are the moving average of its own.

    $$L = \tfrac12 (\mathrm{CE} + \mathrm{Dice}) + w(t)\, \overline{(p^\text{student}(x) - p^\text{teacher}(x + \epsilon))^2}$$

    with $p$ softmax probabilities, the mean over samples, classes and voxels, and $\theta' \leftarrow \alpha\theta' + (1 - \alpha)\theta$
    for the teacher. The student is trained and predicts; the teacher keeps its dropout and its batch statistics: part of its noise.
    """

    title = "Mean Teacher"
    paper = "Tarvainen and Valpola, Mean teachers are better role models, NeurIPS 2017"
    year = 2017
    Settings = MeanTeacherSettings

    def __init__(self, task: Task, settings: MeanTeacherSettings) -> None:
        super().__init__(task, settings)
        self.student = task.network.network()
        self.teacher = frozen_copy(self.student)

    def forward(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        images, labeled = self.images(batch), len(batch.labeled.image)
        logits = self.on_all(self.student, images, labeled)  # (L + U, K, *S)
        losses = {"supervised": self.supervised_loss(logits[:labeled], batch.labeled.label)}
        weight = consistency_weight(step, self.settings.weight, self.settings.ramp)
        if weight > 0 and step.overall >= self.settings.delay * step.total:
            first = 0 if self.settings.consistency_on == "all" else labeled
            probabilities = logits[first:].float().softmax(1)
            losses["consistency"] = weight * self.consistency(probabilities, images[first:], labeled - first, step)
        return losses

    def supervised_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return segmentation_loss(logits, labels, class_squared_dice_loss)

    def consistency(self, probabilities: Tensor, image: Tensor, labeled: int, step: Step) -> Tensor:
        """How far the student's probabilities (B, K, *S) are from the teacher's on `image` (B, C, *S), whose first ones are labelled."""
        return F.mse_loss(probabilities, self.teacher_logits(image, labeled).float().softmax(1))

    @torch.no_grad()
    def teacher_logits(self, image: Tensor, labeled: int) -> Tensor:
        """What the teacher says under noise, drawn anew at each call. (B, K, *S)"""
        logits: Tensor = self.on_all(self.teacher, clipped_noise(image, self.settings.noise), labeled)
        return logits

    @torch.no_grad()
    def after_step(self, step: Step) -> None:
        ema_update(self.teacher, self.student, self.settings.ema_decay, step.overall)

    def predict_logits(self, image: Tensor) -> Tensor:
        logits: Tensor = self.student(image)
        return logits
