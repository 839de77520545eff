"""Memory that a process on a CPU keeps, and gives back; in processes of their own, since it concerns the whole process."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="page faults are counted as Linux counts them")
COUNTING = """
import resource, torch
from semiseg.host_memory import freed_memory_kept

def fill(times=30):
    for _ in range(times):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.empty(2**24).fill_(1)  # 64 MiB, 16384 pages
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(open("/proc/self/statm").read().split()[1])

cpu = torch.device("cpu")
import ctypes
there = hasattr(ctypes.CDLL(None), "mallopt")
"""


def run(program: str) -> None:
    """In a fresh process, which fails if an assertion in it does."""
    subprocess.run([sys.executable, "-c", COUNTING + program], check=True)


def test_kept_memory_is_not_cleared_again() -> None:
    run("""
with freed_memory_kept(cpu):
    assert not there or fill() < 1000
""")


def test_it_goes_back_behind_the_outermost() -> None:
    run("""
before = resident()
with freed_memory_kept(cpu):
    with freed_memory_kept(cpu):
        fill()
    assert not there or fill(1) < 1000
    assert not there or resident() > before + 10000
assert resident() < before + 4000
""")


def test_for_an_accelerator_nothing_changes() -> None:
    run("""
before = fill(3)
with freed_memory_kept(torch.device("meta")):
    assert fill(3) >= before - 1000
""")
