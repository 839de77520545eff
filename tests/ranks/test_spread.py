"""Two processes that share the rows of batches compute what one does: values, gradients, random numbers, losses and weights."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import ranks_kit
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from semiseg.errors import SettingsError, TrainingError
from semiseg.ranks.group import ALONE, Ranks, join, own_gpu
from semiseg.ranks.launch import Place
from semiseg.ranks.rows import Share
from semiseg.ranks.spread import Spread, joined
from semiseg.training.train import resume, train


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which two processes left what they found."""
    folder = tmp_path_factory.mktemp("pair")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, ranks_kit.__file__, str(folder)]
    processes = [subprocess.Popen(command, env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)}) for rank in range(2)]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    return folder


@pytest.fixture(scope="module")
def both(pair: Path) -> list[dict[str, Any]]:
    return [torch.load(pair / f"{rank}.pt") for rank in range(2)]


def largest_difference(ones: dict[str, Tensor], others: dict[str, Tensor]) -> float:
    assert ones.keys() == others.keys()
    return max(((one - others[name]).abs() / one.abs().clamp_min(1)).max().item() for name, one in ones.items())


def test_batch_normalization_sees_the_whole_batch(both: list[dict[str, Any]]) -> None:
    alone = ranks_kit.normalized(ALONE)
    assert {"value", "input", "weight", "bias", "running_mean", "running_var"} < alone.keys()
    for found in both:
        assert largest_difference(alone, found["normalized"]) < 1e-9  # 1e-16 x a mean of 1000 x gradients of 500, and some room


def test_dropout_draws_the_very_numbers_of_the_whole_batch(both: list[dict[str, Any]]) -> None:
    alone = ranks_kit.dropped(ALONE)
    for found in both:
        assert torch.equal(found["dropped"]["value"], alone["value"])
        assert torch.equal(found["dropped"]["next"], alone["next"])


@pytest.mark.parametrize("name", ranks_kit.LEARNERS)
def test_losses_and_weights_are_those_of_one_process(both: list[dict[str, Any]], name: str) -> None:
    alone = ranks_kit.learned(name, ALONE)
    assert len([key for key in alone if key.endswith(" loss")]) == ranks_kit.STEPS
    assert largest_difference(alone, both[0][name]) < 1e-6  # networks in float64, losses in float32


@pytest.mark.parametrize("name", ["dropped", *ranks_kit.LEARNERS])
def test_both_processes_have_the_very_same_weights(both: list[dict[str, Any]], name: str) -> None:
    assert all(torch.equal(value, both[1][name][key]) for key, value in both[0][name].items())


def test_a_training_of_two_processes_goes_on_with_one(pair: Path, both: list[dict[str, Any]], tmp_path: Path) -> None:
    assert [found["stopped"] for found in both] == [[1, 2], [1, 2]]  # both stop at the same step, and there was a look after the second
    done = resume(pair / "run", data=ranks_kit.slices(), progress=False)
    train(ranks_kit.slices(), [ranks_kit.LAYER], tmp_path / "whole", progress=False)
    assert done.finished
    assert done.evaluation is not None
    assert done.selected is not None
    ours, whole = (load_file(folder / "weights.safetensors") for folder in (pair / "run", tmp_path / "whole"))
    assert largest_difference(whole, ours) < 1e-4  # four steps in float32


def test_what_fails_on_the_first_process_fails_on_all(both: list[dict[str, Any]]) -> None:
    assert both[0]["failure"].startswith("RunFolderError")
    assert both[1]["failure"].startswith("OtherProcessError")
    assert "exists already" in both[1]["failure"]


def test_rows_are_shared_out_evenly_and_in_order() -> None:
    shares = [Share(7, rank, 3) for rank in range(3)]
    assert shares[0].sizes == [2, 2, 3]
    assert [list(range(7))[share.own] for share in shares] == [[0, 1], [2, 3], [4, 5, 6]]


def test_one_process_alone_changes_no_network_and_waits_for_nobody() -> None:
    network = nn.Linear(2, 2)
    Spread(ALONE, [(network, "forward")])
    assert "forward" not in vars(network)
    assert join(torch.device("cpu"), Place()) == ALONE
    assert ALONE.first(lambda: 3) == 3
    assert ALONE.in_turn(lambda: 3) == 3
    assert not ALONE.one_says(False)


def test_fewer_rows_than_processes_are_computed_by_each_and_said_once() -> None:
    network, said = nn.Linear(2, 2), list[int]()
    Spread(Ranks(0, 4), [(network, "forward")], said.append)
    x = torch.rand(3, 2)
    assert torch.equal(network(x), nn.functional.linear(x, network.weight, network.bias))
    network(x)
    assert said == [3]


def test_a_network_that_mixes_rows_is_named() -> None:
    with pytest.raises(TrainingError, match=r"Linear: gave a tensor of shape \(\) for 2 rows"):
        joined(Share(4, 0, 2), nn.Linear(2, 2).forward, torch.tensor(1.0))


def test_each_process_has_a_gpu_of_its_own() -> None:
    assert own_gpu(Place(5, 8, 1), gpus=4) == 1
    assert own_gpu(Place(5, 8, 1), gpus=1) == 0  # it is shown that one alone
    with pytest.raises(SettingsError, match="finds 2 GPUs"):
        own_gpu(Place(3, 4, 3), gpus=2)
    with pytest.raises(SettingsError, match="mps cannot take part"):
        join(torch.device("mps"), Place(0, 2, 0))
