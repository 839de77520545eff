"""MC-Net and MC-Net+: which decoder learns what from whom."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from method_kit import last_step, make_batch, make_method, steps_of

from semiseg.case import Batch, Unlabeled
from semiseg.functional.dice import foreground_dice_loss, one_hot
from semiseg.methods.mc_net import MCNet, MCNetPlus


def mc_net(name: str = "mc-net", dimensions: int = 2, classes: int = 2, **settings: Any) -> MCNet:
    method = make_method(name, dimensions, classes, **settings)
    assert isinstance(method, MCNet)
    return method


def foreground(value: float) -> torch.Tensor:
    """Two classes at one voxel. (1, 2, 1)"""
    return torch.tensor([1 - value, value]).view(1, 2, 1).requires_grad_()


def test_consistency_is_the_squared_distance_to_the_sharpened_other() -> None:
    first, second = foreground(0.5), foreground(0.6)
    # S(0.5) = 0.5 and S(0.6) = 0.982954: (0.5 - 0.982954)^2 + (0.6 - 0.5)^2, alike for both classes
    assert mc_net().consistency([first, second]).item() == pytest.approx(0.233245 + 0.01, abs=1e-5)
    # the third at 0.5 adds 0 to the first (twice), 0.01 for the second, 0.233245 for the third
    assert mc_net("mc-net+").consistency([first, second, foreground(0.5)]).item() == pytest.approx(2 * 0.243245, abs=1e-5)


def test_a_soft_label_learns_in_the_released_variant_alone() -> None:
    gradients = {}
    for variant in ("corrected", "released"):
        first, second = foreground(0.5), foreground(0.6)
        mc_net(variant=variant).consistency([first, second]).backward()  # type: ignore[no-untyped-call]
        assert second.grad is not None
        gradients[variant] = second.grad[0, 1, 0].item()
    # mean over 2 classes of (0.6 - 0.5)^2: 2 * 0.1 / 2; released adds -2 * (0.5 - S) * S' / 2 with S' = 10 S (1 - S) / (0.6 * 0.4)
    assert gradients["corrected"] == pytest.approx(0.1, abs=1e-5)
    assert gradients["released"] == pytest.approx(0.1 + 0.482954 * 10 * 0.982954 * 0.017046 / 0.24, abs=1e-4)


@pytest.mark.parametrize("name", ["mc-net", "mc-net+"])
def test_without_consistency_unlabelled_scans_do_not_count(name: str) -> None:
    method, batch = mc_net(name, weight=0).eval(), make_batch(2)
    losses = method(batch, last_step(method))
    assert list(losses) == ["supervised"]
    with torch.no_grad():
        views = method.predict_views(batch.labeled.image)
    target = one_hot(batch.labeled.label, 2)
    expected = sum(0.5 * foreground_dice_loss(view.softmax(1), target).item() for view in views)
    assert losses["supervised"].item() == pytest.approx(expected, abs=1e-5)


def test_consistency_counts_labelled_scans_too() -> None:
    method, batch = mc_net(supervised_weight=0).eval(), make_batch(2)
    loss = method(batch, last_step(method))["consistency"].item()
    twice = method(Batch(batch.labeled, Unlabeled(batch.labeled.image)), last_step(method))["consistency"].item()
    other = method(Batch(batch.labeled, Unlabeled(batch.unlabeled.image[:0])), last_step(method))["consistency"].item()
    assert twice == pytest.approx(other, rel=1e-4)
    assert loss != pytest.approx(other, rel=1e-4)


def test_weight_ramps_up() -> None:
    method, batch = mc_net().eval(), make_batch(2)
    first, last = (method(batch, step)["consistency"].item() for step in (steps_of(method, 10)[0], last_step(method)))
    assert first / last == pytest.approx(0.006738, rel=1e-3)  # exp(-5)
    assert method(batch, steps_of(method, 10)[4])["consistency"].item() == pytest.approx(last)  # 4 of 10 steps: the ramp of 0.4 is up


def test_the_first_decoder_predicts() -> None:
    method = mc_net("mc-net+").eval()
    image = torch.randn(1, 1, 32, 32)
    views = method.predict_views(image)
    assert len(views) == 3
    assert torch.equal(method.predict_logits(image), views[0])


def test_mc_net_plus_without_its_third_decoder_is_mc_net(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MCNetPlus, "decoders", 2)
    plus, plain, batch = mc_net("mc-net+"), mc_net(), make_batch(2)
    for step in steps_of(plain, 4):
        torch.manual_seed(step.overall)
        first = plus(batch, step)
        torch.manual_seed(step.overall)
        second = plain(batch, step)
        assert {name: loss.item() for name, loss in first.items()} == {name: loss.item() for name, loss in second.items()}


def test_released_2d_code_leaves_a_factor_out_of_dice() -> None:
    batch = make_batch(2)
    losses = {
        halved: mc_net(weight=0, supervised_weight=1, dice="class_squared", halved_dice=halved)(batch, last_step(mc_net()))["supervised"]
        for halved in (False, True)
    }
    # two decoders: sum of 1 - d is 2 - (d1 + d2); without the factor 2, 2 - (d1 + d2) / 2
    assert losses[True].item() == pytest.approx(1 + losses[False].item() / 2, abs=1e-5)
    assert mc_net(variant="released").settings.halved_dice
