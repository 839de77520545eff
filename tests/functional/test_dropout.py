"""Dropout of elements: how many, scaled how, from which random numbers."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from semiseg.functional.dropout import dropout


@pytest.mark.parametrize("p", [0.05, 0.5, 0.9])
def test_a_share_of_p_is_dropped_and_the_mean_stays(p: float) -> None:
    torch.manual_seed(0)
    x = torch.ones(10, 10_001)  # not a multiple of four
    y = dropout(x, p)
    assert (y == 0).float().mean() == pytest.approx(p, abs=5e-3)  # 100,010 draws: sd < 1.6e-3
    assert sorted(set(y.flatten().tolist())) == pytest.approx([0, 1 / (1 - p)], rel=1e-4)  # p to the nearest 1/65536
    assert y.mean() == pytest.approx(1, abs=0.03)


def test_neighbours_in_one_random_number_are_independent() -> None:
    torch.manual_seed(0)
    kept = (dropout(torch.ones(100_000, 4), 0.3) > 0).float()
    assert torch.corrcoef(kept.T).sub(torch.eye(4)).abs().max() < 0.02  # sd 0.003


def test_it_follows_the_seed_and_the_order_in_memory() -> None:
    x = torch.ones(2, 3, 5, 7)
    torch.manual_seed(1)
    first, second = dropout(x), dropout(x)
    assert not torch.equal(first, second)
    torch.manual_seed(1)
    assert torch.equal(dropout(x), first)
    torch.manual_seed(1)
    last = dropout(x.contiguous(memory_format=torch.channels_last))
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(last.permute(0, 2, 3, 1).flatten(), first.flatten())


def test_gradients_pass_where_values_did() -> None:
    x = torch.ones(100, dtype=torch.float64, requires_grad=True)
    y = dropout(x, 0.25)
    y.sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert torch.equal(x.grad, y.detach())


def test_in_place_and_switched_off() -> None:
    x = torch.ones(1000)
    assert torch.equal(dropout(x, 0.5, training=False), x)
    assert torch.equal(dropout(x, 0.0), x)
    assert not dropout(x, 1.0).any()
    assert dropout(x, 0.5, inplace=True) is x
    assert 0 < int((x == 0).sum()) < 1000


def test_on_a_device_that_is_no_cpu_it_is_that_of_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    monkeypatch.setattr(F, "dropout", lambda *arguments: called.append(arguments))
    x = torch.ones(3, device="meta")
    dropout(x, 0.3)
    assert called == [(x, 0.3, True, False)]
