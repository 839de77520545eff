"""What a training took: time and memory, for cost.json."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import torch

from semiseg.training.checkpoint import Progress


def cost(done: Progress, steps: int, device: torch.device) -> dict[str, float | str | None]:
    """Seconds, seconds a step, peak memory in MB, and what the looks took beside the steps, where there were any."""
    memory = peak_memory(device)
    looks = {"looks": len(done.looks), "looks_seconds": round(sum(look.seconds for look in done.looks), 2)} if done.looks else {}
    return {
        "device": device.type,
        "seconds": round(done.seconds, 2),
        "seconds_per_step": round(done.seconds / steps, 4),
        "peak_memory_mb": None if memory is None else round(memory / 2**20, 1),
        **looks,
    }


def peak_memory(device: torch.device) -> int | None:
    """Bytes: of the device on CUDA, else of the whole process since it began; None where the system does not tell (Windows)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if find_spec("resource") is None:
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
