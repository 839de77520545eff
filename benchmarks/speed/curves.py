"""Whether the fast way learns the same: loss curves of both from the same weights on the same batches."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import scans
from step import Ours, Plain, plain_batch, without_element_dropout
from timing import Row, seconds

STEPS = 50


def curves(folder: Path, repeats: int) -> Iterator[Row]:
    """50 steps of CML on LA patches of 32 x 32 x 16, 2 + 2; once, whatever the repeats."""
    job = scans.la_job(folder, (32, 32, 16), slots=2)
    ours, loader = Ours(job), scans.loader(job)
    plain = Plain(ours, job)
    for method in (ours.method, plain.method):
        without_element_dropout(method)
    differences, times = [], [0.0, 0.0]
    for number in range(STEPS):
        batch = loader(number)
        took = [seconds(partial(plain.step, *plain_batch(batch), number)), seconds(partial(ours.step, batch, number))]
        differences.append(abs(took[0][1] - took[1][1]) / took[0][1])
        times = [total + one[0] for total, one in zip(times, took, strict=True)]
    said = f"loss, first 10 steps {max(differences[:10]):.0e}, all {max(differences):.0e}"
    name = f"{STEPS} steps from the same weights, 32x32x16, 2+2"
    yield Row(name, "s a step", times[0] / STEPS, times[1] / STEPS, times[0] / times[1], None, said)
