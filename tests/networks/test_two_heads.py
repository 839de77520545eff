"""The two-headed network of DTC and SASSNet."""

from __future__ import annotations

import pytest
import torch

from semiseg.networks import UNet, VNet
from semiseg.networks.two_heads import TwoHeads


def test_it_has_the_parameters_of_the_released_one() -> None:
    assert sum(p.numel() for p in TwoHeads(VNet(3, 1, 2)).parameters()) == 9_448_866


@pytest.mark.parametrize("classes", [2, 4])
def test_logits_of_all_classes_and_maps_of_the_foreground_in_minus_one_to_one(classes: int) -> None:
    for network, x in [
        (TwoHeads(VNet(3, 2, classes, width=4)), torch.randn(2, 2, 16, 16, 32)),
        (TwoHeads(UNet(2, 2, classes, width=4)), torch.randn(2, 2, 32, 16)),
    ]:
        logits, distances = network(x)
        assert logits.shape == (2, classes, *x.shape[2:])
        assert distances.shape == (2, classes - 1, *x.shape[2:])
        assert distances.abs().max() <= 1


def test_with_two_classes_the_softmax_is_the_sigmoid_of_the_paper() -> None:
    logits, _ = TwoHeads(VNet(2, 1, 2, width=4))(torch.randn(2, 1, 16, 16))
    torch.testing.assert_close(logits.softmax(1)[:, 1], logits[:, 1].sigmoid())
