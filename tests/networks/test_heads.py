from __future__ import annotations

import pytest
import torch

from semiseg.networks.heads import ContrastHeads

SELECTOR = 32 * 32 + 32 + 2 * 32 + 32 + 1


@pytest.mark.parametrize(("classes", "published"), [(2, 8_452), (4, 13_064)])
def test_parameters_are_the_published_ones_less_the_background_selectors(classes: int, published: int) -> None:
    assert sum(p.numel() for p in ContrastHeads(16, classes).parameters()) == published - 2 * SELECTOR


def test_points_become_features_of_32() -> None:
    assert ContrastHeads(8, 3)(torch.randn(10, 8)).shape == (10, 32)
