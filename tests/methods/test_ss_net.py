"""SS-Net: what is remembered, and how far features are from it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from method_kit import PATCH, last_step, make_batch, make_method
from torch.nn import functional as F

from semiseg.case import IGNORE
from semiseg.functional.dice import foreground_dice_loss, one_hot
from semiseg.methods import Task
from semiseg.methods.ss_net import SSNet, SSNetSettings
from semiseg.networks import UNet, VNet


def ss_net(dimensions: int = 2, classes: int = 3, **settings: Any) -> SSNet:
    method = make_method("ss-net", dimensions, classes, **settings)
    assert isinstance(method, SSNet)
    return method


def test_class_term_is_the_weighted_mean_over_all_pairs() -> None:
    memory = ss_net().eval().memory
    memory.memory.copy_(torch.randn_like(memory.memory))
    memory.remembered.fill_(1)
    features, heads = torch.randn(50, 32), memory.heads
    omega = heads.feature_selectors[1](features).sigmoid()[:, 0]
    remembered = F.normalize(memory.memory[1], dim=1)
    nu = heads.memory_selectors[1](remembered).sigmoid()[:, 0]
    pairs = (omega / omega.mean())[:, None] * (nu / nu.mean()) * (1 - F.normalize(features, dim=1) @ remembered.T)  # (50, 32)
    assert memory.class_attraction(1, features, torch.ones(50).bool()).item() == pytest.approx(pairs.mean().item(), abs=1e-5)


def test_features_at_their_memory_cost_nothing_and_opposite_ones_two() -> None:
    memory, counts = ss_net().memory, torch.ones(64).bool()
    memory.memory[0] = torch.ones(32)
    memory.remembered[0] = 1
    assert memory.class_attraction(0, torch.ones(64, 32), counts).item() == pytest.approx(0, abs=1e-5)
    assert memory.class_attraction(0, -torch.ones(64, 32), counts).item() == pytest.approx(2, abs=1e-5)
    assert memory.class_attraction(0, -torch.ones(64, 32), ~counts).item() == 0  # none of this class
    assert memory.class_attraction(1, -torch.ones(64, 32), counts).item() == 0  # nothing remembered of it


@pytest.mark.parametrize(("keeps", "best"), [("highest", True), ("lowest", False)])
def test_memory_keeps_the_features_with_the_highest_score_or_as_released_the_lowest(keeps: str, best: bool) -> None:
    memory = ss_net(memory_keeps=keeps, memory_size=4).memory
    points, classes = torch.randn(300, 4), torch.ones(300, dtype=torch.long)
    memory.remember(points, classes)
    with torch.no_grad():
        memory.heads.projector.eval()
        projected = memory.heads.projector(points)
        scores = memory.heads.feature_selectors[0](projected)[:, 0]
    expected = projected[scores.topk(4, largest=best).indices]
    assert torch.allclose(memory.memory[0], expected, atol=1e-5)
    assert memory.remembered.tolist() == [1, 0]


def test_memory_of_an_absent_class_is_kept_from_earlier_steps() -> None:
    memory = ss_net().memory
    memory.remember(torch.randn(300, 4), torch.full((300,), 2))
    old = memory.memory.clone()
    memory.remember(torch.randn(300, 4), torch.ones(300, dtype=torch.long))
    assert torch.equal(memory.memory[1], old[1])
    assert not torch.equal(memory.memory[0], old[0])
    memory.remember(torch.randn(300, 4), torch.zeros(300, dtype=torch.long))  # background is never remembered
    assert torch.equal(memory.memory[1], old[1])
    assert memory.remembered.tolist() == [1, 1]


def test_wrong_predictions_are_not_remembered() -> None:
    method, labels = ss_net(), torch.ones(2, 32, 32, dtype=torch.long)
    features = torch.randn(4, 4, 32, 32)
    method.contrast(features, torch.full((4, 32, 32), 2), labels)
    assert method.memory.remembered.tolist() == [0, 0]
    method.contrast(features, torch.ones(4, 32, 32, dtype=torch.long), labels)
    assert method.memory.remembered.tolist() == [1, 0]


def test_released_code_divides_by_the_background_too() -> None:
    features, predicted = torch.randn(4, 4, 32, 32), torch.randint(0, 3, (4, 32, 32))
    losses = []
    for average_over in ("foreground", "all"):
        method = ss_net(average_over=average_over)
        torch.manual_seed(0)
        losses.append(method.contrast(features, predicted, predicted[:2]).item())
    assert losses[0] / losses[1] == pytest.approx(3 / 2)  # of 3 classes, 2 are foreground


def test_switched_off_terms_leave_the_supervised_loss() -> None:
    method, batch = ss_net(weight=0).eval(), make_batch(2, 3)
    losses = method(batch, last_step(method))
    target = one_hot(batch.labeled.label, 3)
    assert list(losses) == ["supervised"]
    expected = foreground_dice_loss(method.predict_logits(batch.labeled.image).softmax(1), target).item()
    assert losses["supervised"].item() == pytest.approx(expected, abs=1e-5)
    assert list(ss_net(contrast_weight=0)(batch, last_step(method))) == ["supervised", "adversarial"]


def test_own_pass_updates_the_running_statistics_a_second_time() -> None:
    updates = {}
    for target in ("prediction", "own_pass"):
        method = ss_net(attack_target=target, batch_statistics="joint")
        method(make_batch(2, 3), last_step(method))
        counters = {int(b) for name, b in method.network.named_buffers() if name.endswith("num_batches_tracked")}
        updates[target] = counters
    assert updates == {"prediction": {1}, "own_pass": {2}}


def test_features_of_voxels_that_nobody_labelled_are_neither_remembered_nor_attracted() -> None:
    method = ss_net().eval()
    method.memory.remembered.fill_(1)
    method.memory.memory.copy_(torch.randn_like(method.memory.memory))
    before = method.memory.memory.clone()
    features, predicted = torch.randn(2, 4, 8, 8), torch.ones(2, 8, 8, dtype=torch.long)
    nothing = torch.full((1, 8, 8), IGNORE)
    of_unlabeled = method.memory.attraction(features[1:].movedim(1, -1).flatten(0, -2), predicted[1:].flatten())
    assert method.contrast(features, predicted, nothing).item() == pytest.approx(of_unlabeled.item() / 2)  # 2 foreground classes
    assert torch.equal(method.memory.memory, before)


@pytest.mark.parametrize(("dimensions", "classes", "published"), [(3, 2, 9_457_318), (2, 4, 1_826_828)])
def test_parameters_are_the_published_ones_less_the_selectors_of_the_background(dimensions: int, classes: int, published: int) -> None:
    network = VNet(3, 1, classes) if dimensions == 3 else UNet(2, 1, classes)
    method = SSNet(Task(PATCH[dimensions], network), SSNetSettings())
    selector = 32 * 32 + 32 + 2 * 32 + 32 + 1
    assert sum(p.numel() for p in method.parameters()) == published - 2 * selector


def test_released_heads_normalize_over_all_voxels_as_they_come() -> None:
    balanced, released = (ss_net(classes=2, points=points).memory for points in (256, 0))
    points, classes = torch.randn(1000, 4), (torch.arange(1000) < 100).long()  # a tenth is foreground
    for memory in (balanced, released):
        memory.remember(points, classes)
        torch.manual_seed(0)
        memory.attraction(points, classes)
    hidden = 0.1 * released.heads.projector[0](points).mean(0)  # what the projector normalizes: 0.9 of the start, 0.1 of these
    means = {memory: memory.heads.projector.get_buffer("1.running_mean") for memory in (balanced, released)}
    assert torch.allclose(means[released], hidden, atol=1e-5)
    assert not torch.allclose(means[balanced], hidden, atol=1e-5)


def test_the_lowest_of_all_voxels_is_remembered_as_released() -> None:
    memory = ss_net(variant="released", memory_size=4).memory
    points, classes = torch.randn(3000, 4), torch.ones(3000, dtype=torch.long)
    memory.remember(points, classes)
    with torch.no_grad():
        projected = memory.heads.projector.eval()(points)
        scores = memory.heads.feature_selectors[0](projected)[:, 0]
    assert torch.allclose(memory.memory[0].sort(0).values, projected[scores.topk(4, largest=False).indices].sort(0).values, atol=1e-5)


def test_the_attack_is_not_rounded_to_bfloat16() -> None:
    seen: list[torch.dtype] = []
    method = ss_net().eval()
    method.network.decoder.head.register_forward_hook(lambda _head, _given, result: seen.append(result.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        method(make_batch(2, 3), last_step(method))
    own, attack = seen[:2], seen[2:]  # two pools each time; the direction and the attacked images
    assert own == 2 * [torch.bfloat16]
    assert attack == 4 * [torch.float32]
