"""CML's own terms: whose pseudo-labels go where, what each switch takes away, and where pseudo-labels come from."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from method_kit import last_step, losses_of, make_batch, make_method, steps_of
from torch import Tensor

from semiseg.errors import SettingsError
from semiseg.methods.cml import CML
from semiseg.networks import TwoViews

BOX = (slice(0, 2), slice(0, 2), slice(0, 2))


def cml(**settings: Any) -> CML:
    method = make_method("cml", **settings)
    assert isinstance(method, CML)
    return method


def target(method: CML) -> tuple[int, int]:
    """(outside, inside) of view 1's target, where view 1 says 1 everywhere and view 2 says 0."""
    ones, zeros = torch.ones(4, 4, 4, 4, dtype=torch.long), torch.zeros(4, 4, 4, 4, dtype=torch.long)
    mixed = method.target(ones, zeros, BOX)
    return int(mixed[0, 3, 3, 3]), int(mixed[0, 0, 0, 0])


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"cross_region": "box"}, (1, 0)),  # its own outside, the other's in the box: the authors' figure
        ({"cross_region": "outside"}, (0, 1)),  # the other's outside, its own in the box: their code
        ({"mutual_learning": "cross"}, (0, 0)),
        ({"mutual_learning": "own"}, (1, 1)),
    ],
)
def test_whose_pseudo_label_is_the_target_where(settings: dict[str, Any], expected: tuple[int, int]) -> None:
    assert target(cml(**settings)) == expected


def test_outside_comes_from_the_first_half_of_the_batch_and_the_box_from_the_second() -> None:
    labels = torch.arange(4).view(4, 1, 1, 1).expand(4, 4, 4, 4)
    mixed = cml(mutual_learning="own").target(labels, labels, BOX)
    assert mixed[:, 3, 3, 3].tolist() == [0, 1]
    assert mixed[:, 0, 0, 0].tolist() == [2, 3]


def test_without_cutmix_every_scan_is_used_as_it_is() -> None:
    image = torch.randn(3, 1, 4, 4, 4)
    first, second = cml(cutmix=False).pair(image)
    assert first is image
    assert second is image


def test_an_odd_batch_cannot_be_mixed_and_says_so() -> None:
    with pytest.raises(SettingsError, match="batch of 3 cannot be halved"):
        cml().pair(torch.zeros(3, 1))


def test_pretraining_has_no_unlabelled_term_and_self_training_does() -> None:
    method = cml(pretrain=0.5)
    assert set(losses_of(method, make_batch(), steps_of(method)[0])) == {"main/labeled", "main/feature_conflict"}
    assert "main/unlabeled" in losses_of(method, make_batch(), last_step(method))


def test_mutual_learning_off_is_pretraining_to_the_end() -> None:
    method = cml(mutual_learning="off")
    assert "main/unlabeled" not in losses_of(method, make_batch(), last_step(method))


def test_feature_learning_off_leaves_no_term() -> None:
    method = cml(feature_weight=0)
    assert set(losses_of(method, make_batch(), last_step(method))) == {"main/labeled", "main/unlabeled"}


def test_weights_multiply_their_terms() -> None:
    batch, losses = make_batch(), {}
    for weight in (1.0, 0.5):
        method = cml(unlabeled_weight=weight)
        torch.manual_seed(0)
        losses[weight] = losses_of(method, batch, last_step(method))
    assert losses[0.5]["main/unlabeled"].item() == pytest.approx(0.5 * losses[1.0]["main/unlabeled"].item())
    assert losses[0.5]["main/labeled"].item() == losses[1.0]["main/labeled"].item()


def test_pseudo_labels_in_train_mode_differ_by_dropout_and_move_the_running_statistics() -> None:
    image = make_batch().unlabeled.image
    for source, moves in (("train", True), ("eval", False), ("ema", False)):
        method = cml(pseudo_labels=source, largest_component=False).train()
        before = statistics(method.views)
        first, again = method.pseudo_labels(image)[0], method.pseudo_labels(image)[0]
        assert torch.equal(first, again) != moves
        assert torch.equal(before, statistics(method.views)) != moves
        assert method.views.training


def statistics(network: TwoViews) -> Tensor:
    return torch.cat([value.flatten() for name, value in network.named_buffers() if "running" in name]).clone()


def test_the_moving_average_follows_both_views_and_their_statistics() -> None:
    method = cml(ema_decay=0.5)
    with torch.no_grad():
        for tensor in [*method.views.parameters(), *method.views.buffers()]:
            tensor.fill_(1)
    step = steps_of(method)[0]
    method.after_step(step)  # the first update copies
    assert all(bool((tensor == 1).all()) for tensor in method.teacher.state_dict().values())


def test_a_prediction_is_the_mean_of_the_views_logits() -> None:
    method = cml().eval()
    image = torch.randn(1, 1, 16, 16, 16)
    first, second = method.predict_views(image)
    assert torch.equal(method.predict_logits(image), (first + second) / 2)
    assert not torch.equal(first, second)


def test_released_2d_is_one_network_run_twice() -> None:
    method = make_method("cml", dimensions=2, classes=4, variant="released")
    first, second = method.eval().predict_views(torch.randn(1, 1, 32, 32))
    assert torch.equal(first, second)


def test_published_stage_lengths() -> None:
    assert [stage.steps for stage in cml(pretrain=2 / 17).stages(17000)] == [2000, 15000]
    assert [stage.steps for stage in cml(pretrain=0.25).stages(40000)] == [10000, 30000]


def test_health_is_watched_and_is_no_loss() -> None:
    method = cml()
    losses_of(method, make_batch(), last_step(method))
    watched = method.watch()
    assert set(watched) == {"view_agreement", "pseudo_foreground"}
    assert all(0 <= value.item() <= 1 and not value.requires_grad for value in watched.values())
