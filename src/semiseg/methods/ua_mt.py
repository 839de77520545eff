"""UA-MT (Yu et al., MICCAI 2019): Mean Teacher that learns only where the teacher is sure."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from semiseg.functional.dice import DICE
from semiseg.functional.losses import segmentation_loss
from semiseg.functional.uncertainty import entropy, entropy_threshold, masked_mean, mean_softmax
from semiseg.methods.base import Step
from semiseg.methods.mean_teacher import MeanTeacher, MeanTeacherSettings


class UAMTSettings(MeanTeacherSettings):
    """Settings of UA-MT: Mean Teacher's, and how the teacher's uncertainty is measured and used."""

    RELEASED: ClassVar[dict[str, Any]] = {**MeanTeacherSettings.RELEASED, "consistency_on": "unlabeled", "classes_assumed": "two"}

    delay: float = Field(0.0, ge=0, lt=1, description="share of the steps before any consistency (published: none)")
    passes: int = Field(8, ge=1, description="noisy teacher passes that the uncertainty is measured over (published: 8)")
    consistency_on: Literal["unlabeled", "all"] = Field(
        "all",
        description="images on which student and teacher must agree: all in the paper, unlabeled in the script that its README runs",
    )
    dice: Literal["foreground_squared", "class_squared"] = Field(
        "foreground_squared", description="Dice loss: squared, of the foreground (published on LA) or of all classes (SSL4MIS: ACDC, BraTS)"
    )
    classes_assumed: Literal["task", "two"] = Field(
        "task",
        description="classes K in the threshold's ln K and in the mean over classes; the ACDC port keeps 2, so its mask never opens fully",
    )


class UAMT(MeanTeacher):
    r"""Mean Teacher whose consistency counts only voxels where the teacher, asked several times, is sure.

    $$L_c = \frac{\sum_v m_v \sum_c (p_{vc} - q_{vc})^2}{K \sum_v m_v}, \quad m_v = [u_v < H(t)],
    \quad H(t) = (\tfrac34 + \tfrac14 r(t)) \ln K$$

    $u$: entropy of the mean softmax over $T$ noisy teacher passes; $q$: one more pass; $r$: sigmoid ramp over the whole training.
    $L = \tfrac12 (\mathrm{CE} + \mathrm{Dice}) + w(t) L_c$. Published for two classes; for $K$ the threshold keeps its share of the largest
    entropy, and Dice is the mean over the foreground classes (LA) or over all (`dice`). The student is trained and predicts.
    """

    title = "UA-MT"
    paper = "Yu et al., Uncertainty-aware Self-ensembling Model for Semi-supervised 3D Left Atrium Segmentation, MICCAI 2019"
    year = 2019
    Settings = UAMTSettings
    settings: UAMTSettings

    def supervised_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return segmentation_loss(logits, labels, DICE[self.settings.dice])

    def consistency(self, probabilities: Tensor, image: Tensor, labeled: int, step: Step) -> Tensor:
        classes = 2 if self.settings.classes_assumed == "two" else self.task.classes
        with torch.no_grad():
            uncertainty = entropy(mean_softmax(lambda: self.teacher_logits(image, labeled), self.settings.passes))  # (B, *S)
            sure = uncertainty < entropy_threshold(step.overall, step.total, classes)
            self.health = {"sure_voxels": sure.float().mean()}
        distance = (probabilities - self.teacher_logits(image, labeled).float().softmax(1)).square().sum(1)  # (B, *S)
        return masked_mean(distance, sure) / classes
