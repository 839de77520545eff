"""MCF, mutual correction (Wang et al., CVPR 2023): of two unlike networks, the one that is better now teaches the other."""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from semiseg.case import IGNORE, Batch
from semiseg.functional.dice import foreground_squared_dice_loss
from semiseg.functional.schedules import consistency_weight
from semiseg.functional.supervision import compared, cross_entropy
from semiseg.methods.base import Step, Task
from semiseg.methods.pools import PoolMethod, PoolSettings
from semiseg.networks.resnet import initialize_kaiming, residual_network


class MCFSettings(PoolSettings):
    """Settings of MCF."""

    weight: float = Field(0.1, ge=0, description="weight of the consistency when its ramp is up; 0 switches it off (published: 0.1)")
    ramp: float = Field(1.0, ge=0, le=1, description="share of the steps over which the weight ramps up (published: 40*150/6000 = 1)")
    rectification_weight: float = Field(0.5, ge=0, description="weight of the error where the two networks disagree (published: 0.5)")
    temperature: float = Field(0.1, gt=0, le=1, description="of the sharpening of the teacher's probabilities (published: 0.1)")


class MCF(PoolMethod[MCFSettings]):
    r"""The plain network and one with a residual encoder of 34 layers learn side by side; the mean of their probabilities predicts.

    On labelled scans, for each network $k$, with $\Delta$ the voxels where the two networks' labels differ:

    $$L_k = \mathrm{CE} + \mathrm{Dice} + \gamma\, \frac{\sum_{v \in \Delta} \tfrac12 \sum_c (p_{k,c} - y_c)^2}{|\Delta|}$$

    (squared Dice of the foreground classes; with two classes the inner sum is the paper's $(p - y)^2$ of the foreground). The network whose
    Dice on this batch is better is the teacher $g$; the other, $b$, also learns from its sharpened probabilities on unlabelled scans:

    $$L_c = w(t)\, \overline{(p_b - \mathrm{sg}\,\hat p_g)^2}, \qquad \hat p_{g,c} = \frac{p_{g,c}^{1/\tau}}{\sum_j p_{g,j}^{1/\tau}}$$

    All convolutions start from normal weights by their fan-in. With the U-Net, only the plain network has dropout: it sits in the encoder.
    """

    title = "MCF"
    paper = "Wang et al., MCF: Mutual Correction Framework for Semi-Supervised Medical Image Segmentation, CVPR 2023"
    year = 2023
    Settings = MCFSettings

    def __init__(self, task: Task, settings: MCFSettings) -> None:
        super().__init__(task, settings)
        self.plain = task.network.network()
        self.residual = residual_network(task.network)
        initialize_kaiming(self)

    def forward(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        labeled, images = len(batch.labeled.image), self.images(batch)
        both = [self.on_all(network, images, labeled).float() for network in (self.plain, self.residual)]  # (L + U, K, *S) each
        losses, dice = self.supervised_losses([logits[:labeled] for logits in both], batch.labeled.label)
        if self.settings.weight > 0:
            plain_is_better = dice[0].detach() < dice[1].detach()
            self.health = {"plain_is_better": plain_is_better.float()}
            weight = consistency_weight(step, self.settings.weight, self.settings.ramp)
            losses["consistency"] = weight * self.consistency(both[0][labeled:], both[1][labeled:], plain_is_better)
        return losses

    def supervised_losses(self, both: list[Tensor], labels: Tensor) -> tuple[dict[str, Tensor], list[Tensor]]:
        """What both networks (L, K, *S) learn from labels, and the Dice loss of each."""
        pairs = [compared(logits.softmax(1), labels) for logits in both]  # probabilities and target, (L, K, *S) each
        dice = [foreground_squared_dice_loss(*pair) for pair in pairs]
        losses = {"supervised": sum(dice, cross_entropy(both[0], labels) + cross_entropy(both[1], labels))}
        if self.settings.rectification_weight > 0:
            disagree = (both[0].argmax(1) != both[1].argmax(1)) & (labels != IGNORE)  # (L, *S)
            errors = [rectification_loss(*pair, disagree) for pair in pairs]
            losses["rectification"] = self.settings.rectification_weight * (errors[0] + errors[1])
        return losses, dice

    def consistency(self, plain: Tensor, residual: Tensor, plain_is_better: Tensor) -> Tensor:
        """The worse network's distance to the better one's sharpened probabilities, chosen on the device; logits (U, K, *S) each."""
        return torch.where(plain_is_better, self.distance(residual, plain), self.distance(plain, residual))

    def distance(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Mean squared difference; p^(1/t) over its sum is the softmax of logits / t."""
        return F.mse_loss(student.softmax(1), (teacher.detach() / self.settings.temperature).softmax(1))

    def predict_views(self, image: Tensor) -> list[Tensor]:
        return [self.plain(image), self.residual(image)]

    def joined(self, views: list[Tensor]) -> Tensor:
        """Logarithm of the mean probability, whose softmax that mean is."""
        plain, residual = (logits.float().log_softmax(1) for logits in views)
        return torch.logaddexp(plain, residual) - math.log(2)

    def predict_logits(self, image: Tensor) -> Tensor:
        return self.joined(self.predict_views(image))


def rectification_loss(probabilities: Tensor, target: Tensor, disagree: Tensor) -> Tensor:
    """Mean over the voxels where two networks disagree of half the squared error summed over classes; 0 where they agree everywhere.

    Args:
        probabilities: of one network, (B, K, *S).
        target: indicators (B, K, *S).
        disagree: (B, *S) bool.
    """
    error = 0.5 * (probabilities - target).square().sum(1)
    return (error * disagree).sum() / disagree.sum().clamp_min(1)
