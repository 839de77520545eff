from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from semiseg.case import Array
from semiseg.evaluation.evaluate import Evaluation, Pair, evaluate
from semiseg.evaluation.results import Statistic
from semiseg.reporting.tables import Table, cell, score_table

TABLE = Table(("Name", "Value"), (("a, b", "1.5"), ("c|d", "10")))


def masks(*values: int) -> Array:
    return np.array(values, np.uint8).reshape(1, -1)


def evaluation(spacing: tuple[float, ...] | None, *predictions: Array) -> Evaluation:
    """One case for each prediction; the label is class 1 in two of four voxels."""
    return evaluate([Pair(f"case_{i}", p, masks(1, 1, 0, 0), spacing) for i, p in enumerate(predictions)], ["organ"])


def test_markdown_puts_names_left_and_values_right_and_escapes_bars() -> None:
    assert TABLE.markdown() == "| Name | Value |\n| --- | ---: |\n| a, b | 1.5 |\n| c\\|d | 10 |\n"


def test_plain_text_is_aligned() -> None:
    assert TABLE.plain() == "Name  Value\na, b    1.5\nc|d      10\n"


def test_text_values_stand_left() -> None:
    table = Table(("Name", "Value"), (("a", "x"), ("b", "long")), numeric=False)
    assert table.plain() == "Name  Value\na     x\nb     long\n"
    assert "---:" not in table.markdown()


def test_csv_reads_back() -> None:
    assert [tuple(row) for row in csv.reader(io.StringIO(TABLE.csv()))] == [TABLE.head, *TABLE.rows]


def test_latex_aligns_as_markdown_does_and_prints_what_stands_there() -> None:
    text = Table(("Name", "Dice"), (("50 %_a", "0.5 ± 0.1"),)).latex("A & B.")
    assert r"\begin{tabular}{lr}" in text
    assert r"50 \%\_a & 0.5 $\pm$ 0.1 \\" in text
    assert r"\caption{A \& B.}" in text
    assert text.count(r"\begin") == text.count(r"\end") == 2


def test_scores_in_mm() -> None:
    half = evaluation((1.0, 2.0), masks(1, 0, 0, 0))
    table = score_table({"CML": half})
    assert table.head == ("Method", "Class", "Dice", "Jaccard", "HD95 [mm]", "ASD [mm]", "Failures")
    # Dice 2*1 / (1+2), Jaccard 1/2; distances 0 from the prediction, 0 and 2 mm from the label: the 95th percentile of {0, 0, 2} is 1.8
    assert table.rows == (("CML", "organ", "0.667", "0.500", "1.800", "0.000", "0"),)


def test_unknown_spacing_is_told_in_voxels() -> None:
    assert score_table({"CML": evaluation(None, masks(1, 0, 0, 0))}).head[4:6] == ("HD95 [voxel]", "ASD [voxel]")


def test_a_failure_is_counted_and_does_not_flatter_the_distance() -> None:
    row = score_table({"CML": evaluation((1.0, 1.0), masks(1, 1, 0, 0), masks(0, 0, 0, 0))}).rows[0]
    # Dice of 1 and 0: mean 1/2, deviation 1/sqrt(2). The distance of 0 is of one scan of two, and says so.
    assert row == ("CML", "organ", "0.500 ± 0.707", "0.500 ± 0.707", "0.000 (n=1)", "0.000 (n=1)", "1")


def test_the_mean_over_classes_is_shown_where_there_are_several(runs: dict[str, tuple[object, Evaluation]]) -> None:
    table = score_table({name: evaluation for name, (_, evaluation) in runs.items()})
    assert [row[:2] for row in table.rows] == [(m, c) for m in ("Supervised-only", "CML") for c in ("organ", "vessel", "mean")]


def test_a_metric_without_cases_is_undefined() -> None:
    nan = float("nan")
    assert cell(Statistic(nan, nan, nan, n=0, failures=3), cases=3) == "undefined"


@pytest.mark.parametrize("text", [TABLE.markdown(), TABLE.plain(), TABLE.csv()])
def test_every_form_ends_its_last_line(text: str) -> None:
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
