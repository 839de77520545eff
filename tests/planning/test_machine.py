from __future__ import annotations

import os
from pathlib import Path

import torch

from semiseg.planning.machine import Machine, free_memory, this_machine, usable_cores

GB = 2**30


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_memory_is_what_the_system_has_free_and_a_container_leaves(tmp_path: Path) -> None:
    system, membership, root = tmp_path / "meminfo", tmp_path / "cgroup", tmp_path / "fs"
    write(system, f"MemTotal: {64 * 2**20} kB\nMemAvailable: {20 * 2**20} kB\n")
    write(membership, "0::/pod/run\n")
    (root / "pod" / "run").mkdir(parents=True)
    assert free_memory(root, membership, system) == 20 * GB
    write(root / "pod" / "memory.max", str(8 * GB))  # the limit of a parent holds too
    write(root / "pod" / "memory.current", str(3 * GB))
    write(root / "pod" / "memory.stat", f"anon {2 * GB}\ninactive_file {GB}\n")
    assert free_memory(root, membership, system) == 6 * GB  # 8 - 3, and 1 that the cache gives up
    write(root / "pod" / "run" / "memory.max", "max")
    write(root / "pod" / "run" / "memory.current", "5")
    assert free_memory(root, membership, system) == 6 * GB


def test_memory_within_a_container_of_the_first_kind(tmp_path: Path) -> None:
    system, membership, root = tmp_path / "meminfo", tmp_path / "cgroup", tmp_path / "fs"
    write(system, f"MemAvailable: {20 * 2**20} kB\n")
    write(membership, "4:memory:/box\n")
    write(root / "memory" / "box" / "memory.limit_in_bytes", str(4 * GB))
    write(root / "memory" / "box" / "memory.usage_in_bytes", str(GB))
    assert free_memory(root, membership, system) == 3 * GB


def test_cores_are_those_of_the_container(tmp_path: Path) -> None:
    membership, root, all_cores = tmp_path / "cgroup", tmp_path / "fs", len(os.sched_getaffinity(0))
    write(membership, "0::/\n")
    write(root / "cpu.max", "max 100000")
    assert usable_cores(root, membership) == all_cores
    write(root / "cpu.max", "50000 100000")
    assert usable_cores(root, membership) == 1  # half a core is one
    assert usable_cores(tmp_path / "nothing", tmp_path / "nowhere") == all_cores


def test_this_machine_computes_with_no_more_threads_than_cores() -> None:
    machine = this_machine(torch.device("cpu"))
    assert machine.device == "cpu"
    assert 1 <= machine.threads <= machine.cores
    assert machine.memory > GB / 4


def test_a_machine_in_words() -> None:
    assert str(Machine("cpu", 8 * GB, 4, 2)) == "cpu, 4 cores (2 computing), 8.0 GB of RAM free"
    assert str(Machine("cuda", 24 * GB, 16, name="RTX")) == "RTX, 24.0 GB free, 16 cores"
