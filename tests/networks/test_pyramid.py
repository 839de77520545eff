from __future__ import annotations

import pytest
import torch

from semiseg.networks import InstanceUNet, UNet, VNet
from semiseg.networks.pyramid import Pyramid


def test_parameters_are_the_published_ones_less_the_head_that_nothing_used() -> None:
    pyramid = Pyramid(UNet(2, 1, 4), "heads")
    assert sum(p.numel() for p in pyramid.parameters()) == 1_831_060 - (256 * 9 * 4 + 4)
    # 3D: the network's 5,884,050 and heads of one voxel on levels of 32, 64 and 128 channels: (32 + 64 + 128) * 2 + 3 * 2 = 454
    pyramid = Pyramid(InstanceUNet(3, 1, 2), "channels")
    assert sum(p.numel() for p in pyramid.parameters()) == 5_884_504


@pytest.mark.parametrize("description", [UNet(2, 1, 3, width=4), VNet(3, 1, 3, width=4)])
def test_every_level_speaks_about_every_voxel_and_the_first_is_the_network_itself(description: UNet | VNet) -> None:
    pyramid = Pyramid(description, "heads").eval()
    image = torch.randn(2, 1, *(32, 16, 16)[: description.dimensions])
    logits = pyramid(image)
    assert [tuple(one.shape) for one in logits] == 4 * [(2, 3, *image.shape[2:])]
    assert torch.equal(logits[0], pyramid.full_size(image))
    assert torch.equal(logits[2], pyramid(image)[2])


def test_deeper_levels_are_coarser() -> None:
    logits = Pyramid(UNet(2, 1, 2, width=4), "off").eval()(torch.randn(1, 1, 32, 32))
    for level, side in enumerate([1, 2, 4, 8]):
        blocks = logits[level].unfold(2, side, side).unfold(3, side, side).flatten(4)
        assert torch.equal(blocks.amin(-1), blocks.amax(-1))


@pytest.mark.parametrize(("perturbation", "same"), [("heads", [True, False, False, False]), ("channels", 4 * [False]), ("off", 4 * [True])])
def test_perturbations_are_drawn_anew_in_training_where_they_are_said_to_be(perturbation: str, same: list[bool]) -> None:
    # a V-Net without its own dropout, so that nothing else is random
    pyramid = Pyramid(VNet(2, 1, 2, width=8, dropout=0.0), perturbation)  # type: ignore[arg-type]
    torch.manual_seed(0)
    image = torch.randn(4, 1, 64, 64)
    assert [torch.equal(a, b) for a, b in zip(pyramid(image), pyramid(image), strict=True)] == same
    pyramid.eval()
    assert all(torch.equal(a, b) for a, b in zip(pyramid(image), pyramid(image), strict=True))
