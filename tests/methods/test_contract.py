"""What every method in METHODS must do, in 2D and 3D, with 2 and 4 classes: a new method is tested by being in METHODS."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from method_kit import PATCH, last_step, losses_of, make_batch, make_method, steps_of

from semiseg.case import IGNORE, Batch, Labeled, Unlabeled
from semiseg.methods import METHODS, Method

pytestmark = pytest.mark.parametrize("name", METHODS)
every_size = pytest.mark.parametrize(("dimensions", "classes"), [(2, 2), (2, 4), (3, 2), (3, 4)])


def train_a_little(method: Method[Any], dimensions: int = 3, classes: int = 2, steps: slice = slice(None), optimizers: Any = None) -> Any:
    """The engine's loop, bare: plain SGD on every update of some of four steps. Returns the optimisers."""
    optimizers = optimizers or {key: torch.optim.SGD(group, 0.05) for key, group in method.parameter_groups().items()}
    for step in steps_of(method, 4)[steps]:
        torch.manual_seed(step.overall)
        if step.number == 0:
            method.begin(step.stage)
        for key, losses in method.updates(make_batch(dimensions, classes, seed=step.overall), step):
            optimizers[key].zero_grad()
            torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
            optimizers[key].step()
        method.after_step(step)
    return optimizers


@every_size
def test_losses_are_named_finite_scalars_that_can_be_differentiated(name: str, dimensions: int, classes: int) -> None:
    method = make_method(name, dimensions, classes)
    for step in (steps_of(method)[0], last_step(method)):
        losses = losses_of(method, make_batch(dimensions, classes), step)
        assert losses
        for key, loss in losses.items():
            assert loss.ndim == 0, key
            assert torch.isfinite(loss), key
            assert loss.requires_grad, f"{key} teaches nobody"


@every_size
def test_prediction_has_one_logit_per_class_and_voxel_and_is_the_same_twice(name: str, dimensions: int, classes: int) -> None:
    method = make_method(name, dimensions, classes).eval()
    image = torch.randn(2, 1, *PATCH[dimensions])
    with torch.no_grad():
        first, second = method.predict_logits(image), method.predict_logits(image)
        views = method.predict_views(image)
    assert first.shape == (2, classes, *PATCH[dimensions])
    assert torch.equal(first, second)
    assert all(view.shape == first.shape for view in views)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_every_trainable_parameter_gets_a_gradient(name: str, dimensions: int) -> None:
    method = make_method(name, dimensions)
    step = last_step(method)
    groups = method.parameter_groups()
    for key, losses in method.updates(make_batch(dimensions), step):
        for parameter in groups[key]:
            parameter.grad = None
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        missing = [n for n, p in method.named_parameters() if any(p is q for q in groups[key]) and p.grad is None]
        assert not missing


@every_size
def test_voxels_that_nobody_labelled_leave_losses_and_gradients_finite(name: str, dimensions: int, classes: int) -> None:
    method = make_method(name, dimensions, classes)
    batch = make_batch(dimensions, classes)
    for step, share in ((steps_of(method)[0], 0.5), (last_step(method), 0.5), (last_step(method), 1.0)):
        method.begin(step.stage)
        for key, losses in method.updates(with_ignored(batch, share), step):
            method.zero_grad()
            assert all(torch.isfinite(loss) for loss in losses.values()), (key, losses)
            torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
            assert all(p.grad.isfinite().all() for p in method.parameters() if p.grad is not None)


def test_a_label_counts_until_it_is_ignored(name: str) -> None:
    batch = make_batch(2)
    labels = batch.labeled.label
    known = with_ignored(batch, 0.5).labeled.label != IGNORE
    poisoned = replace(batch, labeled=Labeled(batch.labeled.image, torch.where(known, labels, 1 - labels)))

    def total(batch: Batch) -> float:
        method = make_method(name, 2)
        return totals(method, batch, last_step(method))

    assert total(batch) != total(poisoned)
    assert total(with_ignored(batch, 0.5)) == total(with_ignored(poisoned, 0.5)) != total(batch)


def test_each_trainable_parameter_is_in_one_optimizer_and_no_teacher_is_in_any(name: str) -> None:
    method = make_method(name)
    grouped = [id(p) for group in method.parameter_groups().values() for p in group]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(p) for p in method.parameters() if p.requires_grad}


def test_the_unlabelled_scans_reach_the_networks_unless_the_method_says_so(name: str) -> None:
    method = make_method(name)
    step = last_step(method)
    batch = make_batch()
    other = replace(batch, unlabeled=Unlabeled(batch.unlabeled.image * 3 + 1))
    changed = totals(method, batch, step) != totals(make_method(name), other, last_step(method))
    assert changed == METHODS[name].uses_unlabeled


def test_no_unlabelled_label_can_be_in_a_batch(name: str) -> None:
    assert [field.name for field in fields(Unlabeled)] == ["image"]
    assert [field.name for field in fields(Labeled)] == ["image", "label"]


def test_the_same_seed_gives_the_same_losses(name: str) -> None:
    step = steps_of(make_method(name))[-1]
    again = steps_of(make_method(name))[-1]
    assert totals(make_method(name), make_batch(), step) == totals(make_method(name), make_batch(), again)


def test_a_stopped_and_resumed_training_equals_an_unbroken_one(name: str) -> None:
    whole, broken, resumed = make_method(name), make_method(name), make_method(name, seed=9)
    train_a_little(whole)
    first = train_a_little(broken, steps=slice(0, 3))
    resumed.load_state_dict(broken.state_dict())
    optimizers = {key: torch.optim.SGD(group, 0.05) for key, group in resumed.parameter_groups().items()}
    for key, optimizer in optimizers.items():
        optimizer.load_state_dict(first[key].state_dict())
    train_a_little(resumed, steps=slice(3, 4), optimizers=optimizers)
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True))


def test_training_changes_what_is_predicted(name: str) -> None:
    method = make_method(name)
    image = torch.randn(1, 1, *PATCH[3])
    before = method.eval().predict_logits(image).detach().clone()
    train_a_little(method.train())
    assert not torch.equal(before, method.eval().predict_logits(image))


def test_stages_share_out_all_steps(name: str) -> None:
    for steps in (1, 7, 100):
        assert sum(stage.steps for stage in make_method(name).stages(steps)) == steps


def test_method_says_what_it_is(name: str) -> None:
    method = METHODS[name]
    assert all((method.title, method.paper, method.__doc__))
    assert 2000 < method.year < 2100
    for key, field in method.Settings.model_fields.items():
        assert field.description, f"{name}.{key} has no line of meaning"


def totals(method: Method[Any], batch: Any, step: Any) -> float:
    torch.manual_seed(5)
    return float(sum(loss.detach() for loss in losses_of(method, batch, step).values()))


def with_ignored(batch: Batch, share: float) -> Batch:
    """The same batch; all of the first labelled patch, and this share of each other one, ignored."""
    label = batch.labeled.label.clone()
    label[0] = IGNORE
    label[..., : round(share * label.shape[-1])] = IGNORE
    return replace(batch, labeled=Labeled(batch.labeled.image, label))
