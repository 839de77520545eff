from __future__ import annotations

import pytest
import torch

from semiseg import devices
from semiseg.devices import autocast, bfloat16_gain, computes_bfloat16, pick_device, pick_precision, timed_convolutions
from semiseg.errors import SettingsError


def test_the_processor_is_always_there() -> None:
    assert pick_device("cpu") == torch.device("cpu")


def test_auto_takes_an_accelerator_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto").type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto").type == "cpu"


def test_a_device_that_is_absent_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SettingsError, match=r"cuda was asked for, but PyTorch .* finds none here. Use --device cpu"):
        pick_device("cuda")


def test_unknown_names_are_refused() -> None:
    with pytest.raises(SettingsError, match="'gpu' is not known; expected one of auto, cpu, cuda, mps"):
        pick_device("gpu")
    with pytest.raises(SettingsError, match="'16' is not known"):
        pick_precision("16", torch.device("cpu"))


def test_auto_precision_follows_the_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    for there, gain, expected in [(True, 2.0, "bf16-mixed"), (True, 0.5, "32-true"), (False, 2.0, "32-true")]:
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda there=there: there)
        monkeypatch.setattr(devices, "bfloat16_gain", lambda gain=gain: gain)
        assert computes_bfloat16(cpu) is (expected == "bf16-mixed")
        assert pick_precision("auto", cpu) == expected
    assert pick_precision("auto", torch.device("mps")) == "32-true"
    assert pick_precision("bf16-mixed", cpu) == "bf16-mixed"


def test_what_bfloat16_gains_is_measured_once() -> None:
    assert bfloat16_gain() > 0
    assert bfloat16_gain() is bfloat16_gain()


def test_autocast_computes_in_the_precision() -> None:
    cpu, layer, x = torch.device("cpu"), torch.nn.Linear(2, 2), torch.ones(1, 2)
    with autocast("bf16-mixed", cpu):
        assert layer(x).dtype == torch.bfloat16
    with autocast("32-true", cpu):
        assert layer(x).dtype == torch.float32


def test_convolutions_are_timed_on_cuda_alone_and_for_as_long_as_was_said() -> None:
    for device, timed in (("cuda", True), ("cpu", False)):
        with timed_convolutions(torch.device(device)):
            assert torch.backends.cudnn.benchmark == timed
        assert not torch.backends.cudnn.benchmark
