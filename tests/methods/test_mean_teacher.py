"""Mean Teacher: its teacher, its weight, and what is left of it when its own term is off."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from method_kit import last_step, make_batch, make_method, steps_of
from torch.nn.utils import parameters_to_vector

from semiseg.methods import METHODS
from semiseg.methods.mean_teacher import MeanTeacher


def mean_teacher(dimensions: int = 3, classes: int = 2, **settings: Any) -> MeanTeacher:
    method = make_method("mean-teacher", dimensions, classes, **settings)
    assert isinstance(method, MeanTeacher)
    return method


def test_without_consistency_it_is_supervised_training_bit_for_bit() -> None:
    batch = make_batch()
    gradients, statistics = [], []
    for method in (mean_teacher(weight=0), make_method("supervised", dice="class_squared")):
        torch.manual_seed(1)  # dropout
        sum(method(batch, last_step(method)).values()).backward()
        gradients.append([p.grad for p in method.parameters() if p.requires_grad])
        statistics.append([b for name, b in method.named_buffers() if not name.startswith("teacher")])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(*statistics, strict=True))


def test_the_first_step_copies_the_student_and_later_ones_average() -> None:
    method = mean_teacher()
    start = parameters_to_vector(method.teacher.parameters())
    with torch.no_grad():
        for parameter in method.student.parameters():
            parameter.add_(1)
    first, second = steps_of(method)[:2]
    method.after_step(first)  # min(1 - 1 / 1, 0.99) = 0 of the old
    torch.testing.assert_close(parameters_to_vector(method.teacher.parameters()), start + 1)
    with torch.no_grad():
        for parameter in method.student.parameters():
            parameter.add_(1)
    method.after_step(second)  # min(1 - 1 / 2, 0.99) = 1/2 of the old
    torch.testing.assert_close(parameters_to_vector(method.teacher.parameters()), start + 1.5)


def test_consistency_is_the_mean_squared_difference_of_probabilities() -> None:
    method = mean_teacher(noise=0)
    teacher = torch.nn.Conv3d(1, 2, 1)
    for parameter in teacher.parameters():
        torch.nn.init.zeros_(parameter)
    method.add_module("teacher", teacher)  # it says 0.5 and 0.5
    sure = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1, 1).expand(1, 2, 4, 4, 4)
    assert method.consistency(sure, torch.zeros(1, 1, 4, 4, 4), 0, last_step(method)).item() == 0.25  # (0.5^2 + 0.5^2) / 2


def test_the_delay_holds_consistency_back() -> None:
    method = mean_teacher(delay=0.5)
    assert isinstance(method, MeanTeacher)
    terms = [set(method(make_batch(), step)) for step in steps_of(method, 4)]
    assert terms == [{"supervised"}] * 2 + [{"supervised", "consistency"}] * 2


@pytest.mark.parametrize(("given", "share"), [("unlabeled", 4), ("all", 8)])
def test_consistency_is_on_the_images_that_the_setting_names(given: str, share: int) -> None:
    method, seen = mean_teacher(consistency_on=given), []
    method.teacher.register_forward_pre_hook(lambda _, arguments: seen.append(len(arguments[0])))
    method(make_batch(), last_step(method))
    assert sum(seen) == share  # of 4 labelled and 4 unlabelled


def test_the_teacher_is_no_view_and_does_not_predict() -> None:
    method = mean_teacher().eval()
    image = torch.randn(1, 1, 16, 16, 16)
    before = method.predict_logits(image)
    for parameter in method.teacher.parameters():
        parameter.data.zero_()
    assert torch.equal(method.predict_logits(image), before)
    assert METHODS["mean-teacher"].uses_unlabeled
