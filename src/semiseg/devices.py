"""Decides where to compute and in which precision, for training and for inference alike."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

import torch

from semiseg.errors import SettingsError

Precision = Literal["bf16-mixed", "32-true"]
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "bf16-mixed", "32-true")
WORTH_IT = 1.5
"""How many times faster a CPU must be in bfloat16: in float32 there are ways with fewer multiplications (`networks.convolution3d`)."""


def pick_device(name: str = "auto") -> torch.device:
    """The device of that name; "auto" is the first of cuda, mps and cpu that this machine has.

    Raises:
        SettingsError: no such name, or this machine or this build of PyTorch lacks the device.
    """
    if name not in DEVICES:
        raise SettingsError(f"device: {name!r} is not known; expected one of {', '.join(DEVICES)}.")
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(device for device, there in present.items() if there)
    if not present[name]:
        raise SettingsError(
            f"device: {name} was asked for, but PyTorch {torch.__version__} finds none here. "
            "Use --device cpu, or mend the driver or the installation."
        )
    return torch.device(name)


def pick_precision(name: str, device: torch.device) -> Precision:
    """The precision of that name; "auto" is bfloat16 autocast where the device computes in it, else float32.

    Raises:
        SettingsError: no such name.
    """
    if name == "auto":
        return "bf16-mixed" if computes_bfloat16(device) else "32-true"
    if name == "bf16-mixed":
        return "bf16-mixed"
    if name == "32-true":
        return "32-true"
    raise SettingsError(f"training.precision: {name!r} is not known; expected one of {', '.join(PRECISIONS)}.")


def computes_bfloat16(device: torch.device) -> bool:
    """Whether the device gains by bfloat16; one that only emulates it would be slower than in float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and multiplies_bfloat16() and bfloat16_gain() >= WORTH_IT


def multiplies_bfloat16() -> bool:
    """Whether the CPU has instructions for it."""
    # PyTorch has no public question for this; a build without these two answers no.
    return any(getattr(torch.cpu, question, bool)() for question in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))


@functools.cache
def bfloat16_gain() -> float:
    """How many times faster this CPU multiplies matrices in bfloat16 than in float32, measured once a process in some 50 ms.

    The instructions alone do not tell: 0.5 on a Xeon with AVX512-BF16 and without AMX.
    """
    wide = torch.ones(512, 512)
    narrow = wide.bfloat16()
    pairs = [(_seconds(wide), _seconds(narrow)) for _ in range(6)]
    return min(pair[0] for pair in pairs) / min(pair[1] for pair in pairs)


def _seconds(matrix: torch.Tensor) -> float:
    """That a product of the matrix with itself takes."""
    began = time.perf_counter()
    matrix @ matrix
    return time.perf_counter() - began


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """The context in which a network's forward pass runs in that precision."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16-mixed" else nullcontext()


@contextmanager
def timed_convolutions(device: torch.device) -> Iterator[None]:
    """Within it, if the device is CUDA, cuDNN times its ways once for each size of a convolution and keeps the fastest.

    For work whose sizes come again and again, as a training's do. Which way wins may differ from run to run, and with it the rounding.
    """
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = before or device.type == "cuda"
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def channels_last(sides: Sequence[int]) -> torch.memory_format:
    """The layout of images with so many sides in which convolutions are fastest (on CPUs 1.3 to 2 times, measured)."""
    return torch.channels_last_3d if len(sides) == 3 else torch.channels_last
