"""MCF: where the networks disagree, and which of them teaches."""

from __future__ import annotations

import pytest
import torch
from method_kit import last_step, make_batch, make_method
from torch import Tensor

from semiseg.case import IGNORE
from semiseg.functional.dice import one_hot
from semiseg.methods.mcf import MCF, rectification_loss


def mcf(dimensions: int = 2, classes: int = 2, **settings: float) -> MCF:
    method = make_method("mcf", dimensions, classes, **settings)
    assert isinstance(method, MCF)
    return method


def learns(module: torch.nn.Module) -> bool:
    return any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in module.parameters())


@pytest.mark.parametrize("plain_is_better", [True, False])
def test_the_worse_network_learns_from_the_better_one_and_only_it(plain_is_better: bool) -> None:
    method = mcf()
    image = make_batch(2).unlabeled.image
    method.consistency(method.plain(image), method.residual(image), torch.tensor(plain_is_better)).backward()  # type: ignore[no-untyped-call]
    assert (learns(method.plain), learns(method.residual)) == (not plain_is_better, plain_is_better)


def test_target_is_the_teachers_probability_to_the_tenth_over_the_sum() -> None:
    method = mcf()
    student, teacher = (torch.tensor([p, 1 - p]).log().view(1, 2, 1) for p in (0.5, 0.6))
    sharp = 0.6**10 / (0.6**10 + 0.4**10)
    assert method.distance(student, teacher).item() == pytest.approx((sharp - 0.5) ** 2)


def test_rectification_is_the_squared_error_of_the_foreground_where_labels_differ() -> None:
    probabilities = torch.tensor([[[0.3, 0.9, 0.2], [0.7, 0.1, 0.8]]])  # (1, 2, 3)
    target = one_hot(torch.tensor([[1, 1, 0]]), 2)
    disagree = torch.tensor([[True, True, False]])
    assert rectification_loss(probabilities, target, disagree).item() == pytest.approx((0.3**2 + 0.9**2) / 2)
    assert rectification_loss(probabilities, target, ~disagree).item() == pytest.approx(0.8**2)
    assert rectification_loss(probabilities, target, torch.zeros_like(disagree)).item() == 0


def test_the_prediction_is_the_mean_of_the_two_probabilities() -> None:
    method = mcf(classes=4).eval()
    image = make_batch(2).labeled.image
    views = [view.softmax(1) for view in method.predict_views(image)]
    torch.testing.assert_close(method.predict_logits(image).softmax(1), (views[0] + views[1]) / 2)


def test_without_its_own_terms_two_networks_learn_from_labels_alone() -> None:
    method = mcf(weight=0, rectification_weight=0)
    losses: dict[str, Tensor] = method(make_batch(2), last_step(method))
    assert set(losses) == {"supervised"}


def test_what_is_learnt_from_half_a_label_is_what_is_learnt_from_that_half_alone() -> None:
    method = mcf(classes=3)
    both = [torch.randn(2, 3, 4, 6) for _ in range(2)]
    labels = torch.randint(0, 3, (2, 4, 6))
    expected, dice = method.supervised_losses([logits[..., :3] for logits in both], labels[..., :3])
    labels[..., 3:] = IGNORE
    losses, dice_with_ignored = method.supervised_losses(both, labels)
    assert {key: loss.item() for key, loss in losses.items()} == pytest.approx({key: loss.item() for key, loss in expected.items()})
    assert dice_with_ignored[0].item() == pytest.approx(dice[0].item())
