from __future__ import annotations

import json
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from semiseg.evaluation.efficiency import GAIN, believed, measure, middle
from semiseg.evaluation.intervals import Scores
from semiseg.evaluation.plateau import Plateau, fit

TRUE = Plateau(a=0.9, b=0.4, c=0.7, n0=4.0)


def scores_of(*labels: int, trainings: int = 2, plateau: Plateau = TRUE, noise: float = 0.002) -> dict[int, Scores]:
    """40 cases that differ as cases do, trainings that differ a little."""
    generator = np.random.default_rng(0)
    cases = generator.normal(0, 0.03, 40)
    cases -= cases.mean()
    found = {}
    for n in labels:
        own: NDArray[np.float64] = generator.normal(0, noise, (trainings, 40))
        found[n] = plateau.dice(n) + cases + own - own.mean()
    return found


def test_a_plateau_by_hand() -> None:
    curve = Plateau(a=0.9, b=0.4, c=0.5, n0=4.0)
    assert float(curve.dice(4)) == pytest.approx(0.5)
    assert float(curve.dice(16)) == pytest.approx(0.7)  # 4 times the labels halve what is missing
    assert curve.labels(0.7) == pytest.approx(16)
    assert math.isinf(curve.labels(0.9))
    assert math.isinf(curve.labels(0.95))


@pytest.mark.parametrize("labels", [[4, 8, 16], [4, 8, 16, 32, 64]])
def test_the_fit_finds_the_curve_that_made_the_means(labels: list[int]) -> None:
    found = fit(labels, [float(TRUE.dice(n)) for n in labels])
    assert found is not None
    assert (found.a, found.b, found.c) == pytest.approx((0.9, 0.4, 0.7), abs=1e-4)


def test_more_scans_for_one_point_are_those_of_the_true_curve() -> None:
    found = measure(scores_of(4, 8, 16, 32), {})
    truth = TRUE.labels(float(TRUE.dice(32)) + GAIN) - 32  # 0.4 (n / 4)^-0.7 = 0.0933 - 0.01: n = 37.6
    assert truth == pytest.approx(5.6, abs=0.1)
    assert found.more == pytest.approx(truth, rel=0.05)
    assert found.more_interval.low <= found.more <= found.more_interval.high
    assert found.sentence().startswith("About 6 more labelled scans (95 % interval ")
    assert f"for +1 Dice, from {TRUE.dice(32):.3f} with 32 to {TRUE.dice(32) + 0.01:.3f}." in found.sentence()
    assert found.sentence().endswith(
        "Some budgets have two trainings only, which hardly show what another seed would change. "
        "Some budgets were trained with one choice of labelled scans only: what another would change is not in the interval."
    )
    assert found.band[0].max() == pytest.approx(64)  # twice the largest budget, and not further


def test_fewer_than_three_budgets_make_no_curve() -> None:
    found = measure(scores_of(4, 8), {})
    assert found.plateau is None
    assert found.sentence().startswith("No curve: 2 label budgets; a plateau needs at least 3.")


def test_dice_that_falls_makes_no_curve() -> None:
    scores = scores_of(4, 8, 16)
    falling = measure({4: scores[4], 8: scores[16], 16: scores[8]}, {})
    assert falling.plateau is None
    assert "the mean Dice falls from 0.748 with 8 labels to 0.654 with 16; that is more than test scans vary by" in falling.sentence()
    generator = np.random.default_rng(3)
    noisy = {n: np.full((1, 40), 0.8) - 0.0001 * i + generator.normal(0, 0.05, (1, 40)) * (i > 0) for i, n in enumerate((4, 8, 16))}
    noisy[8] -= noisy[8].mean() - 0.8
    noisy[16] -= noisy[16].mean() - 0.799
    assert "within what test scans vary by" in measure(noisy, {}).sentence()


def test_nothing_is_promised_beyond_twice_the_labels() -> None:
    flat = Plateau(a=0.85, b=0.012, c=1.0, n0=4.0)
    found = measure(scores_of(4, 8, 16, plateau=flat, noise=0.0001), {})
    assert math.isinf(found.more)  # 0.847 at 16, and the plateau is 0.003 higher
    assert found.sentence().startswith("More than 16 further labelled scans for +1 Dice, from 0.847 with 16 to 0.857, if ever:")
    assert believed(Plateau(0.9, 0.4, 0.1, 4.0), 16) == pytest.approx(Plateau(0.9, 0.4, 0.1, 4.0).labels(0.9 - 0.4 * 4**-0.1 + 0.01) - 16)


def test_what_the_interval_leaves_out_is_said() -> None:
    budgets = (4, 8, 16)
    assert "have one training only: what another seed" in measure(scores_of(*budgets, trainings=1), {}).caution()
    two_draws = dict.fromkeys(budgets, 2)
    assert measure(scores_of(*budgets, trainings=3), {}, two_draws).caution() == ""
    one_draw = measure(scores_of(*budgets, trainings=3), {}, {**two_draws, 8: 1})
    assert one_draw.caution().startswith("Some budgets were trained with one choice of labelled scans only")


def test_an_interval_may_be_open_above() -> None:
    assert (middle([1.0] * 50 + [math.inf] * 50).low, middle([1.0] * 50 + [math.inf] * 50).high) == (1.0, math.inf)


def test_it_is_ready_for_json() -> None:
    told = json.loads(json.dumps(measure(scores_of(4, 8, 16), {4: 3}).as_dict(), allow_nan=False))
    assert told["budgets"][0]["failures"] == 3
    assert told["fit"]["b"] == pytest.approx(0.4 * 4**0.7, rel=0.1)  # Dice = a - b n^-c, n as it is
    assert told["believed_up_to"] == 32
    assert json.loads(json.dumps(measure(scores_of(4, 8), {}).as_dict(), allow_nan=False))["fit"] is None
