"""Which of several processes this one is, as `torchrun` or Slurm's `srun` told it by environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

LOWEST_PORT, PORTS = 12_000, 20_000
"""Where the processes of a Slurm step meet: below the ports that Linux gives to outgoing connections (from 32768 on)."""


@dataclass(frozen=True)
class Place:
    """One process among all.

    Attributes:
        rank: 0..world-1.
        world: how many processes there are.
        local_rank: 0.. on its machine, which is the number of its GPU there.
        address: where they meet, as `torch.distributed` wants it.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    address: str = "env://"


def place(environment: Mapping[str, str] = os.environ) -> Place:
    """This process's place; alone where nobody said otherwise.

    A step of `srun` counts, a batch script itself does not: it runs once, whatever number of tasks the job has.
    """
    if {"RANK", "WORLD_SIZE"} <= environment.keys():  # torchrun; the variables are PyTorch's own convention
        rank = int(environment["RANK"])
        return Place(rank, int(environment["WORLD_SIZE"]), int(environment.get("LOCAL_RANK", rank)))
    world = int(environment.get("SLURM_STEP_NUM_TASKS", "1"))
    if world == 1:
        return Place()
    return Place(int(environment["SLURM_PROCID"]), world, int(environment["SLURM_LOCALID"]), slurm_address(environment))


def slurm_address(environment: Mapping[str, str]) -> str:
    """The first machine of the step, and a port that depends on job and step; MASTER_ADDR and MASTER_PORT win where they are set."""
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment

    first = SLURMEnvironment.resolve_root_node_address(environment["SLURM_STEP_NODELIST"])
    number = int(environment.get("SLURM_JOB_ID", "0")) + int(environment.get("SLURM_STEP_ID", "0"))
    port = environment.get("MASTER_PORT", str(LOWEST_PORT + number % PORTS))
    return f"tcp://{environment.get('MASTER_ADDR', first)}:{port}"
