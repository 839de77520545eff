"""CutMix boxes: their size, where they may lie, and which side comes from where."""

from __future__ import annotations

import pytest
import torch

from semiseg.errors import SettingsError
from semiseg.functional.mixing import halves, mix, random_box


def sides(box: tuple[slice, ...]) -> tuple[int, ...]:
    return tuple(part.stop - part.start for part in box)


@pytest.mark.parametrize(
    ("spatial", "ratio", "expected", "share"),
    [((112, 112, 80), 2 / 3, (74, 74, 53), 0.2892), ((256, 256), 2 / 3, (170, 170), 0.4410), ((256, 256), 1 / 2, (128, 128), 0.25)],
)
def test_box_covers_the_published_share(spatial: tuple[int, ...], ratio: float, expected: tuple[int, ...], share: float) -> None:
    box = random_box(torch.Generator().manual_seed(0), spatial, ratio)
    assert sides(box) == expected
    inside = torch.zeros(spatial)
    inside[box] = 1
    assert inside.mean().item() == pytest.approx(share, abs=1e-4)


@pytest.mark.parametrize(("reach_border", "last"), [(True, 38), (False, 37)])
def test_box_reaches_every_place_and_the_released_one_all_but_the_last(reach_border: bool, last: int) -> None:
    generator = torch.Generator().manual_seed(1)
    starts = {random_box(generator, (112,), 2 / 3, reach_border)[0].start for _ in range(2000)}
    assert starts == set(range(last + 1))  # 112 - 74 = 38


def test_inside_comes_from_the_second_and_inputs_stay() -> None:
    outside, inside = torch.zeros(2, 1, 6, 6), torch.ones(2, 1, 6, 6)
    mixed = mix(outside, inside, (slice(1, 4), slice(0, 3)))
    assert mixed.sum().item() == 2 * 9
    assert [mixed[0, 0, 1, 0].item(), mixed[0, 0, 0, 0].item()] == [1, 0]
    assert outside.sum() == 0


def test_a_whole_box_replaces_everything() -> None:
    assert sides(random_box(torch.Generator().manual_seed(0), (5, 7), 1.0)) == (5, 7)


def test_halves_are_in_order_and_an_odd_batch_has_none() -> None:
    first, second = halves(torch.arange(4))
    assert [first.tolist(), second.tolist()] == [[0, 1], [2, 3]]
    for size in (0, 3):
        with pytest.raises(SettingsError, match=f"batch of {size} cannot be halved"):
            halves(torch.zeros(size))
