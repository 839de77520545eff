"""Tables of scores as values, written as Markdown, plain text or CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass

from semiseg.evaluation.results import MEAN, TITLES, Evaluation, Statistic

UNITLESS = ("dice", "jaccard")
DISTANCES = ("hd95", "asd")


@dataclass(frozen=True)
class Table:
    """Cells as text. The first `keys` columns name a row, the others hold its values."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    keys: int = 1

    def markdown(self) -> str:
        """A Markdown table: names to the left, values to the right."""
        rule = ["---" if column < self.keys else "---:" for column in range(len(self.head))]
        return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in (self.head, rule, *self.rows)) + "\n"

    def plain(self) -> str:
        """Aligned columns for a terminal."""
        widths = [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]
        return "\n".join(self._plain_row(row, widths) for row in (self.head, *self.rows)) + "\n"

    def _plain_row(self, row: tuple[str, ...], widths: list[int]) -> str:
        cells = (cell.ljust(w) if i < self.keys else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True)))
        return "  ".join(cells).rstrip()

    def csv(self) -> str:
        """Comma-separated values, quoted where needed."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows((self.head, *self.rows))
        return text.getvalue()


def score_table(evaluations: Mapping[str, Evaluation]) -> Table:
    """Dice, Jaccard, HD95, ASD and failures of each method (the keys) and class, and of the mean over classes.

    Distances are in mm where the spacing of any scan is known, else in voxels; the head says which. A distance is averaged over
    the cases where it exists, so it is to be read together with the failures.
    """
    metrics = [*UNITLESS, *(f"{distance}_{_unit(evaluations)}" for distance in DISTANCES)]
    rows = []
    for method, evaluation in evaluations.items():
        for name, statistics in evaluation.summary().items():
            if name != MEAN or len(evaluation.classes) > 1:
                failures = str(statistics["dice"].failures)
                rows.append((method, name, *(cell(statistics[metric]) for metric in metrics), failures))
    return Table(("Method", "Class", *(TITLES[metric] for metric in metrics), "Failures"), tuple(rows), keys=2)


def _unit(evaluations: Mapping[str, Evaluation]) -> str:
    known = any(statistics["hd95_mm"].n for evaluation in evaluations.values() for statistics in evaluation.summary().values())
    return "mm" if known else "voxel"


def cell(statistic: Statistic) -> str:
    """Mean ± standard deviation over cases, with the digits that a reader can use; `undefined` where there is no case."""
    if not statistic.n:
        return "undefined"
    return f"{statistic.mean:.3f}" if math.isnan(statistic.std) else f"{statistic.mean:.3f} ± {statistic.std:.3f}"
