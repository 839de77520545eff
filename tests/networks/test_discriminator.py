"""SASSNet's discriminator."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from semiseg.networks.discriminator import Discriminator


def test_it_has_the_parameters_of_the_released_one() -> None:
    assert sum(p.numel() for p in Discriminator(3, 1, 1).parameters()) == 11_020_290


@pytest.mark.parametrize("sides", [(16, 16), (48, 32), (16, 16, 16), (32, 48, 16)])
def test_patches_of_any_size_give_two_logits(sides: tuple[int, ...]) -> None:
    discriminator = Discriminator(len(sides), 2, 3, width=4)
    assert discriminator(torch.randn(2, 3, *sides), torch.randn(2, 2, *sides)).shape == (2, 2)


def test_the_mean_over_all_places_is_the_released_pooling_at_its_patch() -> None:
    x = torch.randn(2, 3, 7, 7, 5)  # what four halvings leave of 112 x 112 x 80
    torch.testing.assert_close(x.flatten(2).mean(2), F.avg_pool3d(x, (7, 7, 5)).flatten(1))


def test_image_and_maps_both_count_and_dropout_acts_in_training_alone() -> None:
    discriminator = Discriminator(2, 1, 1, width=4).eval()
    maps, image = torch.randn(2, 1, 32, 32), torch.randn(2, 1, 32, 32)
    expected = discriminator(maps, image)
    assert torch.equal(discriminator(maps, image), expected)
    assert not torch.equal(discriminator(maps + 1, image), expected)
    assert not torch.equal(discriminator(maps, image + 1), expected)
    assert not torch.equal(discriminator.train()(maps, image), expected)
