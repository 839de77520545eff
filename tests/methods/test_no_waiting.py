"""A training step asks the device for no number: with tensors that hold none (PyTorch's meta device), batches and steps run all the same.

Reading one (`item`, `if tensor`, a mask as an index) or mixing host and device tensors is an error there, and every branch for
accelerators is taken. Where there is a CUDA GPU, PyTorch watches the same steps on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from method_kit import PATCH, last_step, make_method, make_task, steps_of
from torch import Tensor

from semiseg.case import Batch
from semiseg.data.augment import Augmentation
from semiseg.data.bank import Bank
from semiseg.data.loader import Loader
from semiseg.data.prepare import Prepared
from semiseg.methods import METHODS, Method, Step
from semiseg.methods.supervised import Supervised
from semiseg.sections import Training
from semiseg.training.fit import fabric_on, take_step
from semiseg.training.optimization import make_optimizers

META, CUDA = torch.device("meta"), torch.device("cuda")
NO_CAST: Any = SimpleNamespace(autocast=nullcontext)
"""In place of Fabric, which knows no such device."""


def batch(dimensions: int, classes: int, device: torch.device = META) -> Batch:
    """The loader's, from scans that lie on the device, turned, scaled and changed in their intensities."""
    shape, random = tuple(side + 4 for side in PATCH[dimensions]), np.random.default_rng(0)

    def scans(labeled: bool) -> Sequence[Prepared]:
        label = random.integers(0, classes, shape).astype(np.uint8) if labeled else None
        return [Prepared(f"{i}", random.normal(size=(1, *shape)).astype(np.float32), label) for i in range(4)]

    changes = Augmentation(symmetry="in_plane", rotate=20, scale=0.2, contrast=0.2, brightness=0.2, gamma=0.2)
    banks = [Bank(scans(labeled), device, resident=True) for labeled in (True, False)]
    return Loader(banks[0], banks[1], PATCH[dimensions], 4, 4, changes, seed=0)(0)


def last_steps(method: Method[Any]) -> Iterable[Step]:
    """The last step of each stage, when ramps are up."""
    return {step.stage.name: step for step in steps_of(method, 40)}.values()


@pytest.mark.parametrize(("dimensions", "classes"), [(2, 4), (3, 2)])
@pytest.mark.parametrize("name", METHODS)
def test_a_step_of_every_stage_waits_for_nothing(name: str, dimensions: int, classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # it knows no such device either
    method, given = make_method(name, dimensions, classes).to(META), batch(dimensions, classes)
    optimizers = make_optimizers(method, Training())
    for step in last_steps(method):
        method.begin(step.stage)
        scalars = take_step(NO_CAST, method, optimizers, given, step)
        assert {scalar.device for scalar in scalars.values()} == {META}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize(("dimensions", "classes"), [(2, 4), (3, 2)])
@pytest.mark.parametrize("name", METHODS)
def test_on_a_gpu_a_step_waits_for_nothing_either(name: str, dimensions: int, classes: int) -> None:
    method, given = make_method(name, dimensions, classes).to(CUDA), batch(dimensions, classes, CUDA)
    fabric = fabric_on(CUDA, "bf16-mixed")
    optimizers = make_optimizers(method, Training())
    for step in last_steps(method):
        method.begin(step.stage)
        take_step(fabric, method, optimizers, given, step)  # the first one may allocate
        torch.cuda.set_sync_debug_mode("error")
        try:
            scalars = take_step(fabric, method, optimizers, given, step)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        assert all(scalar.isfinite() for scalar in scalars.values()), scalars


def test_a_wait_would_be_found() -> None:
    class Waiting(Supervised):
        def forward(self, batch: Batch, step: Step) -> dict[str, Tensor]:
            losses = super().forward(batch, step)
            return {key: loss * float(loss.detach() > 0) for key, loss in losses.items()}

    method = Waiting(make_task(2, 2), Supervised.Settings()).to(META)
    with pytest.raises(RuntimeError, match="meta"):
        take_step(NO_CAST, method, make_optimizers(method, Training()), batch(2, 2), last_step(method))


@pytest.mark.parametrize("name", ["cml", "urpc"])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_compiler_sees_each_network_as_one_graph(name: str, dimensions: int) -> None:
    method, image = make_method(name, dimensions).to(META), torch.empty(2, 1, *PATCH[dimensions], device=META)
    for network in method.children():
        assert torch._dynamo.explain(network)(image).graph_break_count == 0
