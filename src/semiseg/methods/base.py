"""What a method is: all of its networks in one module that turns a batch into named losses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, get_args

import torch
from pydantic import BaseModel, ConfigDict, model_validator
from torch import Tensor, nn

from semiseg.case import Batch
from semiseg.functional.pseudo_labels import hard_labels
from semiseg.networks import Description
from semiseg.networks.encoder_decoder import Decoder, set_class_prior


@dataclass(frozen=True)
class Task:
    """What is to be segmented: the patch that a step sees, and the network that sees it (channels and classes are the network's)."""

    patch: tuple[int, ...]
    network: Description

    @property
    def dimensions(self) -> int:
        return len(self.patch)

    @property
    def classes(self) -> int:
        """Number of classes K, background included."""
        return self.network.classes


@dataclass(frozen=True)
class Stage:
    """A part of the training with its own losses. `fresh_optimizer`: start without the momentum of the stage before."""

    name: str
    steps: int
    fresh_optimizer: bool = False


@dataclass(frozen=True)
class Step:
    """Where the training stands. All randomness of a method comes from `generator` (CPU), a pure function of the seed and the step."""

    number: int
    """0-based, within the stage."""
    stage: Stage
    overall: int
    """0-based, over all stages."""
    total: int
    """Steps of all stages together."""
    generator: torch.Generator


@dataclass(frozen=True)
class FixedAdam:
    """Adam at a learning rate of its own, without schedule and weight decay: what some papers prescribe for their discriminator."""

    learning_rate: float
    betas: tuple[float, float]


class MethodSettings(BaseModel):
    """Base of every method's settings: unknown names are refused, values are checked.

    Where the authors' code departs from their paper, a method has a field `variant: Literal["corrected", "released"]`, one setting for
    each departure with the corrected value as its default, and the authors' values in `RELEASED`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    RELEASED: ClassVar[dict[str, Any]] = {}
    """What `variant: released` sets, where the caller does not."""

    @property
    def wants_unlabeled(self) -> bool:
        """False where they switch off all that a method would learn from unlabelled scans."""
        return True

    @model_validator(mode="before")
    @classmethod
    def apply_variant(cls, values: Any) -> Any:
        """Fill in what the variant implies and the caller left open; read YAML's `off`, which is False, as the choice of that name."""
        if not isinstance(values, dict):
            return values
        switched_off = {name for name, field in cls.model_fields.items() if "off" in get_args(field.annotation)}
        values = {name: "off" if value is False and name in switched_off else value for name, value in values.items()}
        return {**cls.RELEASED, **values} if values.get("variant") == "released" else values


def pretrained_stages(steps: int, share: float, fresh_optimizer: bool = False) -> list[Stage]:
    """`share` of the steps to pre-train on labelled scans, the rest to train on both."""
    pretrain = round(steps * share)
    return [Stage("pretrain", pretrain), Stage("self-train", steps - pretrain, fresh_optimizer)]


S = TypeVar("S", bound=MethodSettings)


class Method(nn.Module, Generic[S]):
    """Every network and buffer of one method. Most methods override `__init__`, `forward` and `predict_logits` only.

    A parameter with `requires_grad=False` (a teacher) is in no optimiser.
    """

    title: ClassVar[str]
    paper: ClassVar[str]
    year: ClassVar[int]
    Settings: ClassVar[type[MethodSettings]]
    uses_unlabeled: ClassVar[bool] = True
    """False for a control that never looks at unlabelled scans: none are loaded for it."""

    def __init__(self, task: Task, settings: S) -> None:
        super().__init__()
        self.task = task
        self.settings = settings
        self.health: dict[str, Tensor] = {}

    def forward(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Named, weighted loss terms, each a scalar; the engine sums, logs and differentiates them."""
        raise NotImplementedError

    def predict_logits(self, image: Tensor) -> Tensor:
        """Logits of a batch of patches: (B, C, *S) -> (B, K, *S). Called in eval mode, without gradients."""
        raise NotImplementedError

    def predict_views(self, image: Tensor) -> list[Tensor]:
        """The logits of each view (B, K, *S), for disagreement maps; one view unless the method has more."""
        return [self.predict_logits(image)]

    def joined(self, views: list[Tensor]) -> Tensor:
        """What a method with several views predicts out of them: (B, K, *S) each -> the logits of `predict_logits`. Default: the first."""
        return views[0]

    def predict_both(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """What `predict_logits` and `predict_views` give, in one pass."""
        views = self.predict_views(image)
        return self.joined(views), views

    def label_views(self, image: Tensor) -> list[Tensor]:
        """Pseudo-labels (B, *S) of each view, for the health of a training: those of the network that teaches, where that is another one.

        Called in eval mode, without gradients, in the last stage.
        """
        return [hard_labels(view) for view in self.predict_views(image)]

    def stages(self, steps: int) -> list[Stage]:
        """How `steps` training steps are divided. The sum of the stages is `steps`."""
        return [Stage("train", steps)]

    def begin(self, stage: Stage) -> None:
        """Called once before the first step of a stage (not on resuming within it)."""

    def updates(self, batch: Batch, step: Step) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """(optimizer name, losses) for each parameter update of one step, in order; the code after a `yield` runs after that update."""
        yield "main", self(batch, step)

    def set_class_prior(self, shares: Tensor) -> None:
        """Called before the first step of a run: let every segmentation head begin with the shares (K,) that the classes have.

        Otherwise all are equally likely at first. Then a network learns the background, which is most of a scan, with all of its last
        channels, and a class may be left without one for good.
        """
        for decoder in self.modules():
            if isinstance(decoder, Decoder):
                set_class_prior(decoder.head, shares)

    def row_functions(self) -> list[tuple[nn.Module, str]]:
        """(network, name of its function) whose result for each image depends on that image alone, but for batch normalization and dropout.

        Several processes share out the images of such a call; all else they compute alike. Default: a call of each network.
        """
        return [(network, "forward") for network in self.children() if any(True for _ in network.parameters())]

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """The parameters of each optimiser, by its name."""
        return {"main": [p for p in self.parameters() if p.requires_grad]}

    def fixed_optimizers(self) -> dict[str, FixedAdam]:
        """Of `parameter_groups`, those whose optimiser the paper prescribes; the run's optimiser, rate and schedule leave them alone."""
        return {}

    def after_step(self, step: Step) -> None:
        """Called after the last update of a step, without gradients: moving averages, memories."""

    def watch(self) -> dict[str, Tensor]:
        """Scalars of the last step for the log that are no losses: what the method put into `health` (of its pseudo-labels, say)."""
        return self.health
