"""BCP: what is pasted where, and what each region weighs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from method_kit import last_step, make_batch, make_method, steps_of

from semiseg.case import Batch, Labeled, Unlabeled
from semiseg.errors import SettingsError
from semiseg.functional.losses import segmentation_loss
from semiseg.functional.mixing import halves, mix, random_box
from semiseg.methods import Stage
from semiseg.methods.bcp import BCP


def bcp(dimensions: int = 3, classes: int = 2, **settings: Any) -> BCP:
    method = make_method("bcp", dimensions, classes, **settings)
    assert isinstance(method, BCP)
    return method


def total(losses: dict[str, torch.Tensor]) -> float:
    return float(sum(loss.detach() for loss in losses.values()))


def record_inputs(method: BCP) -> list[torch.Tensor]:
    seen: list[torch.Tensor] = []
    method.student.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    return seen


def test_both_directions_share_one_box() -> None:
    method = bcp(2)
    seen = record_inputs(method)
    ones, step = torch.ones(4, 1, 32, 32), last_step(method)
    method(Batch(Labeled(ones, ones[:, 0].long()), Unlabeled(0 * ones)), step)
    into_labeled, into_unlabeled = seen
    assert into_labeled[0].sum() == 32 * 32 - 21 * 21  # the box, side floor(32 * 2 / 3), comes from an unlabelled scan
    assert torch.equal(into_unlabeled, 1 - into_labeled)


def test_pseudo_labels_equal_to_the_labels_make_it_supervised_copy_paste(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = make_batch(2, 4)
    batch = Batch(batch.labeled, Unlabeled(batch.labeled.image))
    method = bcp(2, 4, pseudo_weight=1, pretrain_loss="regions")
    truth = iter(batch.labeled.label.chunk(2))
    monkeypatch.setattr(method, "pseudo_labels", lambda image: next(truth))
    torch.manual_seed(0)
    first, second = method(batch, last_step(method)).values()
    again = bcp(2, 4, pretrain_loss="regions")
    again.begin(again.stages(40)[0])
    # scan i mixed with itself is scan i, so each direction is the region loss of plain scans with weights 1 and 1
    box = random_box(last_step(again).generator, (32, 32), 2 / 3)
    torch.manual_seed(0)
    expected = [
        again.mixed_loss((image, label), (image, label), box, outside=1, inside=1)
        for image, label in zip(batch.labeled.image.chunk(2), batch.labeled.label.chunk(2), strict=True)
    ]
    assert [first.item(), second.item()] == pytest.approx([half.item() for half in expected])


def test_without_weight_for_pseudo_labels_they_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def losses(seed: int) -> float:
        method, generator = bcp(2, pseudo_weight=0), torch.Generator().manual_seed(seed)
        monkeypatch.setattr(method, "pseudo_labels", lambda image: torch.randint(0, 2, (2, 32, 32), generator=generator))
        torch.manual_seed(0)
        return total(method(make_batch(2), last_step(method)))

    assert losses(1) == losses(2)


def test_pretraining_mixes_labelled_scans_and_ignores_the_rest() -> None:
    method, batch = bcp(3), make_batch(3)
    step = steps_of(method)[0]
    assert step.stage.name == "pretrain"
    torch.manual_seed(1)
    loss = method(batch, step)["labeled"]
    box = random_box(steps_of(method)[0].generator, (16, 16, 16), 2 / 3)
    image, label = (mix(*halves(tensor), box) for tensor in (batch.labeled.image, batch.labeled.label))
    torch.manual_seed(1)
    assert loss.item() == segmentation_loss(method.student(image), label).item()


def test_the_teacher_starts_from_the_pre_trained_student_and_follows_it() -> None:
    method = bcp(2)
    weight = next(method.student.parameters())
    follower = next(method.teacher.parameters())
    weight.data.fill_(2.0)
    method.after_step(steps_of(method)[0])
    assert not torch.equal(follower, weight)  # pre-training leaves it alone
    method.begin(Stage("self-train", 3))
    assert torch.equal(follower, weight)
    weight.data.fill_(3.0)
    method.after_step(last_step(method))  # overall step 39: a = min(1 - 1 / 40, 0.99) = 0.975
    assert follower.detach() == pytest.approx(0.975 * 2 + 0.025 * 3)


def test_stages_are_the_published_ones() -> None:
    method = bcp(pretrain=2 / 17, fresh_optimizer=True)
    assert method.stages(17000) == [Stage("pretrain", 2000), Stage("self-train", 15000, fresh_optimizer=True)]


def test_released_variant_fills_what_is_not_given() -> None:
    released = bcp(variant="released", box_reaches_border=True).settings
    assert released.model_dump(include={"teacher_mode", "box_reaches_border"}) == {"teacher_mode": "train", "box_reaches_border": True}


def test_released_teacher_is_noisy_and_the_corrected_one_is_not() -> None:
    image = torch.randn(2, 1, 32, 32)
    for variant, same in (("corrected", True), ("released", False)):
        method = bcp(2, 4, variant=variant, largest_component=False)
        first, second = method.pseudo_labels(image), method.pseudo_labels(image)
        assert torch.equal(first, second) == same


def test_unequal_or_odd_batches_are_refused() -> None:
    method, batch = bcp(2), make_batch(2)
    with pytest.raises(SettingsError, match=r"4 and 2\. Use equal numbers"):
        method(Batch(batch.labeled, Unlabeled(batch.unlabeled.image[:2])), last_step(method))
    odd = Batch(Labeled(batch.labeled.image[:3], batch.labeled.label[:3]), Unlabeled(batch.unlabeled.image[:3]))
    with pytest.raises(SettingsError, match="a batch of 3 cannot be halved"):
        method(odd, last_step(method))
