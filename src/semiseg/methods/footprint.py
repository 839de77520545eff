"""What a step of a method costs in networks and passes, counted on a tiny patch rather than claimed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from semiseg.case import Batch, Labeled, Unlabeled
from semiseg.methods.base import Method, Step, Task
from semiseg.networks import UNet
from semiseg.networks.encoder_decoder import DIVISOR, Decoder, Encoder
from semiseg.networks.resnet import ResidualEncoder

SIDE, PAIR = 2 * DIVISOR, 4
"""Pixels a side, and images of each kind: as many as the published batches have, since CML and BCP mix them in pairs."""


@dataclass(frozen=True)
class Footprint:
    """Networks of a method, and how often a step runs them, in its last stage with all of its terms at work.

    Attributes:
        encoders, decoders: that learn by gradients; a teacher is none of them.
        passes: images that go through an encoder in one step, as a multiple of the step's own labelled and unlabelled images.
        decoder_passes: the same for the decoders.
    """

    encoders: int
    decoders: int
    passes: float
    decoder_passes: float


def footprint(method: type[Method[Any]]) -> Footprint:
    """Count the passes of one step on a 2D patch of 32 pixels a side. Leaves torch's random state as it was."""
    with torch.random.fork_rng(devices=[]):
        built = method(Task((SIDE, SIDE), UNet(2, 1, 2, 4)), method.Settings())
        encoders = [part for part in built.modules() if isinstance(part, Encoder | ResidualEncoder)]
        decoders = [part for part in built.modules() if isinstance(part, Decoder)]
        seen: Counter[str] = Counter()
        ends = [decoder.stages[-1] for decoder in decoders]  # not the decoder itself: some methods take it apart
        for kind, parts in (("encoder", encoders), ("decoder", ends)):
            for part in parts:
                part.register_forward_hook(lambda _part, given, _result, kind=kind: seen.update({kind: len(given[0])}))
        _step(built.train())
    images = 2 * PAIR if method.uses_unlabeled else PAIR
    return Footprint(_learning(encoders), _learning(decoders), seen["encoder"] / images, seen["decoder"] / images)


def _learning(parts: Sequence[nn.Module]) -> int:
    return sum(any(parameter.requires_grad for parameter in part.parameters()) for part in parts)


def _step(method: Method[Any]) -> None:
    """The last step of a training of 100, its updates included (some methods look at the images again for the second)."""
    stage = method.stages(100)[-1]
    image = torch.rand(PAIR, 1, SIDE, SIDE)
    batch = Batch(Labeled(image, (image[:, 0] > 0.5).long()), Unlabeled(torch.rand_like(image)))
    for _ in method.updates(batch, Step(stage.steps - 1, stage, 99, 100, torch.Generator().manual_seed(0))):
        pass
