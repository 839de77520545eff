"""What methods share whose networks see labelled and unlabelled images in the same step: one pass for both, or one for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal, TypeVar

import torch
from pydantic import Field
from torch import Tensor

from semiseg.case import Batch
from semiseg.methods.base import Method, MethodSettings, Task


class PoolSettings(MethodSettings):
    """Settings of a method that shows its networks labelled and unlabelled images."""

    RELEASED: ClassVar[dict[str, Any]] = {"batch_statistics": "joint"}

    variant: Literal["corrected", "released"] = Field("corrected", description="corrected, or as released code does it")
    weight: float = Field(ge=0, description="weight of the method's own term; 0 switches it off")
    batch_statistics: Literal["apart", "joint"] = Field(
        "apart",
        description="batch normalization takes labelled and unlabelled images apart, in two passes, as the supervised control and CML do, "
        "or together in one, as all released code does: with few labelled scans, the network may then learn to tell the two apart",
    )


P = TypeVar("P", bound=PoolSettings)


class PoolMethod(Method[P]):
    """A method whose unlabelled images pass through the same networks as the labelled ones."""

    def images(self, batch: Batch) -> Tensor:
        """Those that this step needs (L + U, C, *S), labelled first; without the method's own term (L, C, *S), as for the control."""
        return batch.images() if self.settings.weight > 0 else batch.labeled.image

    def on_all(self, network: Callable[[Tensor], Any], images: Tensor, labeled: int) -> Any:
        """What `network` gives for images (L + U, C, *S): a tensor (L + U, ...) or several.

        Args:
            network: image (B, C, *S) -> tensors whose first axis is the batch's.
            images: the first `labeled` of them have labels.
            labeled: L, 0 where all are unlabelled.
        """
        if self.settings.batch_statistics == "joint" or not 0 < labeled < len(images):
            return network(images)
        return _concatenated(network(images[:labeled]), network(images[labeled:]))


class OneNetwork(PoolMethod[P]):
    """A method of this kind whose only network is trained and predicts."""

    def __init__(self, task: Task, settings: P) -> None:
        super().__init__(task, settings)
        self.network = task.network.network()

    def predict_logits(self, image: Tensor) -> Tensor:
        logits: Tensor = self.network(image)
        return logits


def _concatenated(first: Any, second: Any) -> Any:
    """Two tensors one after the other, or two sequences of them, pair by pair."""
    if isinstance(first, Tensor):
        return torch.cat([first, second])
    return [_concatenated(a, b) for a, b in zip(first, second, strict=True)]
