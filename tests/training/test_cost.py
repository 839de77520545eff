"""Time and memory of a training."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from semiseg.training import cost as module
from semiseg.training.checkpoint import Progress
from semiseg.training.cost import cost, peak_memory


def test_time_is_shared_out_over_the_steps() -> None:
    found = cost(Progress(8, 12.0), 8, torch.device("cpu"))
    assert (found["device"], found["seconds"], found["seconds_per_step"]) == ("cpu", 12.0, 1.5)


def test_memory_is_that_of_the_process_and_unknown_where_the_system_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    known = peak_memory(torch.device("cpu"))
    assert known is not None
    assert known > 50 * 2**20  # torch alone takes more
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "resource" else importlib.util.find_spec(name))
    assert cost(Progress(1, 1.0), 1, torch.device("cpu"))["peak_memory_mb"] is None
