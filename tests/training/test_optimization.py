"""Which optimiser and which learning rate each part of a method gets."""

from __future__ import annotations

import torch
from torch.optim import SGD, Adam

from semiseg.methods import Stage, Step, Task
from semiseg.methods.sassnet import SASSNet, SASSNetSettings
from semiseg.networks import UNet
from semiseg.sections import Training
from semiseg.training.optimization import make_optimizers, scheduled, set_learning_rate


def test_an_optimizer_that_the_method_fixes_keeps_its_kind_and_rate() -> None:
    method = SASSNet(Task((16, 16), UNet(2, 1, 2, width=4)), SASSNetSettings(discriminator_rate=1e-4))
    settings = Training(optimizer="sgd", learning_rate=0.01, schedule="constant", weight_decay=1e-4)
    optimizers = make_optimizers(method, settings)
    main, discriminator = optimizers["main"], optimizers["discriminator"]
    assert isinstance(main, SGD)
    assert isinstance(discriminator, Adam)
    step = Step(0, Stage("train", 8), overall=0, total=8, generator=torch.Generator())
    assert set_learning_rate(scheduled(method, optimizers), settings, step) == 0.01
    assert main.param_groups[0]["lr"] == 0.01
    group = discriminator.param_groups[0]
    assert (group["lr"], group["betas"], group["weight_decay"]) == (1e-4, (0.9, 0.99), 0)
