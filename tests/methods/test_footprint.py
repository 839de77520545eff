"""What a step costs is counted, and the counts are those that the papers' figures show."""

from __future__ import annotations

import pytest
import torch

from semiseg.methods import METHODS
from semiseg.methods.footprint import footprint


@pytest.mark.parametrize(
    ("name", "encoders", "decoders", "passes", "decoder_passes"),
    [
        ("supervised", 1, 1, 1.0, 1.0),
        ("mean-teacher", 1, 1, 1.5, 1.5),  # student on all, teacher on the unlabelled half
        ("ua-mt", 1, 1, 10.0, 10.0),  # student and teacher on all, and 8 noisy looks of the teacher
        ("mc-net+", 1, 3, 1.0, 3.0),
        ("ss-net", 1, 1, 3.0, 3.0),  # the image, the search for the attack, the attack
        ("cps", 2, 2, 2.0, 2.0),
        ("cml", 2, 2, 2.0, 2.0),  # two views x (half as many mixed images + two views' pseudo-labels on the unlabelled half)
    ],
)
def test_passes_of_known_methods(name: str, encoders: int, decoders: int, passes: float, decoder_passes: float) -> None:
    found = footprint(METHODS[name])
    assert (found.encoders, found.decoders, found.passes, found.decoder_passes) == (encoders, decoders, passes, decoder_passes)


def test_counting_leaves_the_random_state_alone() -> None:
    before = torch.get_rng_state()
    footprint(METHODS["cml"])
    assert torch.equal(torch.get_rng_state(), before)
