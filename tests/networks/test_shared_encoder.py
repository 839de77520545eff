from __future__ import annotations

import pytest
import torch

from semiseg.networks import UNet, VNet
from semiseg.networks.shared_encoder import SharedEncoder


@pytest.mark.parametrize(
    ("description", "decoders", "parameters"),
    [(VNet(3, 1, 2), 2, 12_347_716), (VNet(3, 1, 2), 3, 15_246_566), (UNet(2, 1, 4), 2, 2_577_624), (UNet(2, 1, 4), 3, 3_210_924)],
)
def test_parameters_are_the_published_ones(description: VNet | UNet, decoders: int, parameters: int) -> None:
    assert sum(p.numel() for p in SharedEncoder(description, decoders).parameters()) == parameters


def test_each_decoder_has_its_own_logits_and_the_first_can_be_had_alone() -> None:
    network = SharedEncoder(UNet(2, 1, 3, width=4), 3).eval()
    image = torch.randn(2, 1, 32, 16)
    logits = network(image)
    assert [tuple(one.shape) for one in logits] == 3 * [(2, 3, 32, 16)]
    assert not torch.equal(logits[0], logits[1])
    assert torch.equal(network.first(image), logits[0])
