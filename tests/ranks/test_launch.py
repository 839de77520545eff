"""Which process this is, as torchrun and Slurm tell it."""

from __future__ import annotations

from semiseg.ranks.launch import Place, place

SLURM = {
    "SLURM_JOB_ID": "41234",
    "SLURM_STEP_ID": "2",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_NODELIST": "gpu[03-04]",
}


def test_nobody_said_anything() -> None:
    assert place({}) == Place(0, 1, 0)


def test_torchrun() -> None:
    assert place({"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}) == Place(5, 8, 1, "env://")


def test_srun() -> None:
    assert place(SLURM) == Place(5, 8, 1, "tcp://gpu03:13236")  # 12000 + 41236 % 20000


def test_an_address_that_is_set_wins() -> None:
    assert place({**SLURM, "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29500"}).address == "tcp://10.0.0.1:29500"


def test_torchrun_within_a_step_of_srun_wins() -> None:
    assert place({**SLURM, "RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}).world == 2


def test_a_batch_script_is_one_process_whatever_its_job_has_tasks() -> None:
    assert place({"SLURM_JOB_ID": "41234", "SLURM_NTASKS": "8", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}).world == 1
