"""What a training may use of the machine it runs on: the device, its memory, and cores, within the limits of a container."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

UNKNOWN_MEMORY = 8 * 2**30
"""Bytes that are taken for granted where a system does not tell (Windows)."""


@dataclass(frozen=True)
class Machine:
    """What a plan knows of a machine; for tests and other machines it may be made up.

    Attributes:
        device: cpu, cuda or mps.
        memory: bytes that are free now, of the device, or of RAM where it has none of its own.
        cores: that this process may use.
        threads: that PyTorch computes with on a CPU.
        name: of a graphics card.
    """

    device: str
    memory: int
    cores: int
    threads: int = 1
    name: str = ""

    def __str__(self) -> str:
        card = f"{self.name or self.device}, {self.memory / 2**30:.1f} GB free"
        if self.device != "cpu":
            return f"{card}, {self.cores} cores"
        return f"cpu, {self.cores} cores ({self.threads} computing), {self.memory / 2**30:.1f} GB of RAM free"


def this_machine(device: torch.device) -> Machine:
    """The machine that this process runs on, with `device` as the one to train on."""
    cores = usable_cores()
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return Machine("cuda", free, cores, torch.get_num_threads(), torch.cuda.get_device_name(device))
    return Machine(device.type, free_memory(), cores, min(torch.get_num_threads(), cores))


def usable_cores(cgroup: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> int:
    """Cores that the scheduler gives this process: its affinity, and its container's share of processor time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for group in _groups(cgroup, membership):
        quota, period = (_words(group / "cpu.max") or ["max", "0"])[:2]  # version 2
        if quota == "max":
            quota, period = ((_words(group / f"cpu.cfs_{name}_us") or ["-1"])[0] for name in ("quota", "period"))
        if quota.isdigit() and int(period) > 0:
            cores = min(cores, max(math.ceil(int(quota) / int(period)), 1))
    return cores


def free_memory(
    cgroup: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup"), system: Path = Path("/proc/meminfo")
) -> int:
    """Bytes of RAM that can be had without swapping: the system's, and what is left within the container's limit."""
    free = _system_memory(system)
    for group in _groups(cgroup, membership):
        for limit_name, usage_name in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            limit, usage = (_words(group / name) or [""] for name in (limit_name, usage_name))
            if limit[0].isdigit() and usage[0].isdigit():
                free = min(free, max(int(limit[0]) - int(usage[0]) + _reclaimable(group), 0))
    return free


def _system_memory(system: Path) -> int:
    for line in system.read_text(encoding="utf-8").splitlines() if system.is_file() else ():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return UNKNOWN_MEMORY


def _reclaimable(group: Path) -> int:
    """Bytes of files in the cache, which count as used and are given up when asked for."""
    words = _words(group / "memory.stat")
    return next((int(value) for name, value in zip(words[::2], words[1::2], strict=False) if name == "inactive_file"), 0)


def _groups(cgroup: Path, membership: Path) -> Iterator[Path]:
    """The control groups that this process is in, from its own up to the root, of version 2 and of version 1."""
    for line in membership.read_text(encoding="utf-8").splitlines() if membership.is_file() else ():
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory", "cpu,cpuacct", "cpu"):
            root = cgroup / controllers if controllers else cgroup
            own = root / path.lstrip("/")
            yield from (folder for folder in (own, *own.parents) if folder.is_relative_to(root) and folder.is_dir())


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split()
    except OSError:
        return []
