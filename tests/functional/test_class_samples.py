"""Points of a class: who is drawn, who counts, and what happens when there are too few."""

from __future__ import annotations

import torch

from semiseg.functional.class_samples import best_where, repeat_first, sample_where


def test_members_alone_are_drawn_without_replacement() -> None:
    mask = torch.zeros(100, dtype=torch.bool)
    mask[40:90] = True
    positions, counts = sample_where(mask, 20)
    assert counts.all()
    assert mask[positions].all()
    assert len(set(positions.tolist())) == 20


def test_too_few_members_come_again_and_do_not_count_twice() -> None:
    mask = torch.zeros(100, dtype=torch.bool)
    mask[[3, 8, 9]] = True
    positions, counts = sample_where(mask, 10)
    assert set(positions.tolist()) == {3, 8, 9}
    assert counts.tolist() == 3 * [True] + 7 * [False]
    assert sorted(positions[:3].tolist()) == [3, 8, 9]


def test_no_members_and_more_points_than_there_are() -> None:
    positions, counts = sample_where(torch.zeros(5, dtype=torch.bool), 10)
    assert sorted(positions.tolist()) == [0, 1, 2, 3, 4]
    assert not counts.any()


def test_the_best_are_kept_and_repeated_where_few() -> None:
    scores, mask = torch.tensor([5.0, 1.0, 4.0, 3.0, 2.0]), torch.tensor([False, True, True, True, True])
    assert best_where(scores, mask, 2).tolist() == [2, 3]
    assert best_where(-scores, mask, 2).tolist() == [1, 4]
    assert best_where(scores, torch.tensor([False, True, True, False, False]), 4).tolist() == [2, 1, 2, 1]


def test_repeating_the_first_of_none_gives_all() -> None:
    assert repeat_first(torch.arange(4), torch.tensor(0)).tolist() == [0, 1, 2, 3]
    assert repeat_first(torch.arange(4), torch.tensor(9)).tolist() == [0, 1, 2, 3]
    assert repeat_first(torch.arange(5), torch.tensor(2)).tolist() == [0, 1, 0, 1, 0]
