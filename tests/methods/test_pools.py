"""Labelled and unlabelled images in one step: normalized apart or together, and left out where nothing learns from them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from method_kit import last_step, losses_of, make_batch, make_method

from semiseg.case import Unlabeled
from semiseg.methods import METHODS
from semiseg.methods.pools import PoolMethod

POOLED = [name for name, method in METHODS.items() if issubclass(method, PoolMethod)]
LABELED_TERMS = ("main/supervised", "main/distance", "main/rectification")


def test_which_methods_show_both_pools_to_the_same_network() -> None:
    assert sorted(set(METHODS) - set(POOLED)) == ["bcp", "cml", "supervised"]


@pytest.mark.parametrize("name", POOLED)
@pytest.mark.parametrize(("statistics", "independent"), [("apart", True), ("joint", False)])
def test_apart_what_labels_teach_does_not_depend_on_the_unlabelled_images(name: str, statistics: str, independent: bool) -> None:
    batch = make_batch()
    brighter = replace(batch, unlabeled=Unlabeled(3 * batch.unlabeled.image + 5))
    terms = []
    for given in (batch, brighter):
        method = make_method(name, batch_statistics=statistics)
        losses = losses_of(method, given, last_step(method))
        terms.append(torch.stack([value for key, value in losses.items() if key in LABELED_TERMS]))
    assert torch.equal(*terms) == independent


def test_outputs_come_back_labelled_first_whatever_their_nesting() -> None:
    method = make_method("mean-teacher")
    assert isinstance(method, PoolMethod)
    images = torch.arange(6.0).reshape(3, 2)
    calls: list[int] = []

    def network(x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        calls.append(len(x))
        return x + 1, [x * 2]

    first, (second,) = method.on_all(network, images, 1)
    assert calls == [1, 2]
    assert torch.equal(first, images + 1)
    assert torch.equal(second, images * 2)
    method.on_all(network, images, 0)
    method.on_all(network, images, 3)
    assert calls[2:] == [3, 3]  # one pool alone: one pass


@pytest.mark.parametrize("name", [name for name in POOLED if name != "self-training"])
def test_without_its_own_term_a_method_sees_no_unlabelled_image(name: str) -> None:
    batch = make_batch()
    batch = replace(batch, unlabeled=Unlabeled(torch.full_like(batch.unlabeled.image, torch.nan)))
    method = make_method(name, weight=0)
    assert all(torch.isfinite(loss) for loss in losses_of(method, batch, last_step(method)).values())
    assert all(torch.isfinite(buffer).all() for buffer in method.buffers())
