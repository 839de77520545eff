"""Tables of scores as values, written as Markdown, plain text, CSV or LaTeX."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass

from semiseg.evaluation.results import MEAN, Evaluation, Statistic

LATEX = {
    **{character: rf"\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "–": "--",
}


@dataclass(frozen=True)
class Table:
    """Cells as text. The first `keys` columns name a row, the others hold its values: numbers, but for the last `words`, or none."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    keys: int = 1
    numeric: bool = True
    words: int = 0

    def is_number(self, column: int) -> bool:
        """Whether a column (0-based) holds numbers, which stand to the right."""
        return self.numeric and self.keys <= column < len(self.head) - self.words

    def markdown(self) -> str:
        """A Markdown table: names to the left, values to the right."""
        rule = ["---:" if self.is_number(column) else "---" for column in range(len(self.head))]
        return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in (self.head, rule, *self.rows)) + "\n"

    def plain(self) -> str:
        """Aligned columns for a terminal."""
        widths = [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]
        return "\n".join(self._plain_row(row, widths) for row in (self.head, *self.rows)) + "\n"

    def _plain_row(self, row: tuple[str, ...], widths: list[int]) -> str:
        cells = (self._justified(i, cell, width) for i, (cell, width) in enumerate(zip(row, widths, strict=True)))
        return "  ".join(cells).rstrip()

    def _justified(self, column: int, cell: str, width: int) -> str:
        return cell.rjust(width) if self.is_number(column) else cell.ljust(width)

    def csv(self) -> str:
        """Comma-separated values, quoted where needed."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows((self.head, *self.rows))
        return text.getvalue()

    def latex(self, caption: str) -> str:
        """A LaTeX table (needs the package booktabs), set as the Markdown is."""
        columns = "".join("r" if self.is_number(column) else "l" for column in range(len(self.head)))
        head, *rows = (" & ".join(map(escape_latex, row)) + r" \\" for row in (self.head, *self.rows))
        lines = [r"\begin{table}", r"\centering", rf"\caption{{{escape_latex(caption)}}}", rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
        return "\n".join([*lines, head, r"\midrule", *rows, r"\bottomrule", r"\end{tabular}", r"\end{table}"]) + "\n"


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it stands."""
    return "".join(LATEX.get(character, character) for character in text)


def score_table(evaluations: Mapping[str, Evaluation]) -> Table:
    """Dice, Jaccard, HD95, ASD and failures of each method (the keys) and class, and of the mean over classes.

    Distances are in mm where the spacing of any scan is known, else in voxels; the head says which. A distance is averaged over
    the cases where it exists, so it is to be read together with the failures.
    """
    unit = distance_unit(evaluations)
    metrics = ("dice", "jaccard", f"hd95_{unit}", f"asd_{unit}")
    rows = []
    for method, evaluation in evaluations.items():
        for name, statistics in evaluation.summary().items():
            if name != MEAN or len(evaluation.classes) > 1:
                failures = str(statistics["dice"].failures)
                rows.append((method, name, *(cell(statistics[metric], len(evaluation.cases)) for metric in metrics), failures))
    return Table(("Method", "Class", "Dice", "Jaccard", f"HD95 [{unit}]", f"ASD [{unit}]", "Failures"), tuple(rows), keys=2)


def distance_unit(evaluations: Mapping[str, Evaluation]) -> str:
    """mm, or voxel where no scan has a known spacing."""
    known = any(statistics["hd95_mm"].n for evaluation in evaluations.values() for statistics in evaluation.summary().values())
    return "mm" if known else "voxel"


def cell(statistic: Statistic, cases: int) -> str:
    """Mean ± standard deviation over cases, with n where the metric is undefined in some; `undefined` where it is in all."""
    if not statistic.n:
        return "undefined"
    spread = "" if math.isnan(statistic.std) else f" ± {statistic.std:.3f}"
    return f"{statistic.mean:.3f}{spread}" + (f" (n={statistic.n})" if statistic.n < cases else "")
