"""SASSNet's two updates, and who learns in each."""

from __future__ import annotations

import pytest
import torch
from method_kit import last_step, make_batch, make_method
from torch import Tensor, nn

from semiseg.functional.schedules import consistency_weight
from semiseg.methods.dtc import DTC
from semiseg.methods.sassnet import SASSNet


def gradients(module: nn.Module) -> list[Tensor]:
    return [p.grad for p in module.parameters() if p.grad is not None and p.grad.abs().sum() > 0]


def sassnet(dimensions: int = 2, **settings: float) -> SASSNet:
    method = make_method("sassnet", dimensions, **settings)
    assert isinstance(method, SASSNet)
    return method


def test_the_network_learns_in_the_first_update_and_the_discriminator_in_the_second() -> None:
    method = sassnet()
    updates = method.updates(make_batch(2), last_step(method))
    name, losses = next(updates)
    losses["adversarial"].backward()  # type: ignore[no-untyped-call]
    assert name == "main"
    assert gradients(method.network)
    assert gradients(method.discriminator) == []
    method.zero_grad()
    name, losses = next(updates)
    losses["discrimination"].backward()  # type: ignore[no-untyped-call]
    assert name == "discriminator"
    assert gradients(method.network) == []
    assert len(gradients(method.discriminator)) == len(list(method.discriminator.parameters()))
    assert all(p.requires_grad for p in method.discriminator.parameters())
    assert all(module.training for module in method.modules())  # modes are put back


def test_maps_for_the_discriminator_leave_the_batch_statistics_alone() -> None:
    method = sassnet()
    before = [buffer.clone() for buffer in method.network.buffers()]
    method.discriminator_loss(make_batch(2))
    assert all(torch.equal(a, b) for a, b in zip(before, method.network.buffers(), strict=True))


def test_a_discriminator_that_knows_nothing_costs_log_two_times_the_weight() -> None:
    method = sassnet(weight=0.01)
    nn.init.zeros_(method.discriminator.classify.weight)
    nn.init.zeros_(method.discriminator.classify.bias)
    step = last_step(method)
    assert method(make_batch(2), step)["adversarial"].item() == pytest.approx(0.693147 * consistency_weight(step, 0.01, 1.0))
    assert method.discriminator_loss(make_batch(2)).item() == pytest.approx(0.693147)


def test_without_its_own_term_it_is_dtc_without_its_own() -> None:
    ours, theirs = sassnet(weight=0), make_method("dtc", 2, weight=0)
    assert isinstance(theirs, DTC)
    theirs.network.load_state_dict(ours.network.state_dict())
    batch, step = make_batch(2), last_step(ours)
    assert [name for name, _ in ours.updates(batch, step)] == ["main"]
    both = []
    for method in (ours, theirs):
        torch.manual_seed(0)
        both.append({name: loss.item() for name, loss in method(batch, step).items()})
    assert both[0] == both[1]
