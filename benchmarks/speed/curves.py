"""Whether the fast way learns the same: loss curves from the same weights on the same batches.

A hard pseudo-label near one half turns over by rounding alone, so any two curves part after some steps. How far rounding takes them apart
is seen in a third curve: the plain way again, its weights changed by one part in ten million.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import scans
import torch
from step import Ours, Plain, plain_batch, without_element_dropout
from timing import Row, Setting, seconds

STEPS = 200
NUDGE = 1e-7


def curves(given: Setting) -> Iterator[Row]:
    """200 steps of CML on LA patches of 32 x 32 x 16, 2 + 2, at width 8; once, whatever the repeats."""
    job = scans.la_job(given.data, (32, 32, 16), slots=2, network={"width": 8})
    ours, loader = Ours(job, given.device), scans.loader(job, given.device)
    plain, nudged = Plain(ours, job), Plain(ours, job)
    for way in (ours, plain, nudged):
        without_element_dropout(way.method)
    with torch.no_grad():
        for parameter in nudged.method.parameters():
            parameter.mul_(1 + NUDGE)
    losses, times = np.zeros((STEPS, 3)), np.zeros((STEPS, 3))
    for number in range(STEPS):
        batch = loader(number)
        samples = plain_batch(batch)
        ways: list[Callable[[], float]] = [
            partial(plain.step, *samples, number),
            partial(ours.step, batch, number),
            partial(nudged.step, *samples, number),
        ]
        for k, way in enumerate(ways):
            times[number, k], losses[number, k] = seconds(way)
    apart = np.abs(losses[:, 1:] - losses[:, :1]) / losses[:, :1]
    said = (
        f"loss on average {apart[:, 0].mean():.0e}; by weights nudged by {NUDGE:g} {apart[:, 1].mean():.0e}; first step {apart[0, 0]:.0e}"
    )
    plain_time, our_time, _ = np.median(times, axis=0)
    name = f"{STEPS} steps from the same weights, 32x32x16, 2+2, width 8"
    yield Row(name, "s a step", float(plain_time), float(our_time), float(plain_time / our_time), None, said)
