from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from semiseg.case import Case
from semiseg.evaluation.evaluate import Evaluation
from semiseg.reporting.comparison import compare, wins
from semiseg.reporting.html import render
from semiseg.reporting.pictures import case_dice, ranked, read_example
from semiseg.reporting.runs import flat
from semiseg.reporting.settings import by_value, side_by_side
from semiseg.run_folder import RunFolder

if TYPE_CHECKING:
    Runs = dict[str, tuple[RunFolder, Evaluation]]


def test_case_dice_is_the_mean_over_classes(runs: Runs) -> None:
    assert case_dice(runs["CML"][1]) == {"scan_0": 0.5, "scan_1": 1.0, "scan_2": 1.0}  # class 2 is missed in scan_0
    # 2 of 6 slices off: organ 2*4 / (6+6), vessel 2*2 / (4+4)
    assert case_dice(runs["Supervised-only"][1])["scan_0"] == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_wins_are_counted_case_by_case(runs: Runs) -> None:
    assert wins(runs["CML"][1], runs["Supervised-only"][1]) == (2, 3)


def test_cases_are_ranked_by_all_methods_together(runs: Runs) -> None:
    assert ranked(runs) == ["scan_0", "scan_1", "scan_2"]


def test_the_summary_is_one_sentence_that_tells_both_scores_and_its_limits(runs: Runs, test_cases: list[Case]) -> None:
    sentence = compare("Two runs", runs, test_cases).summary
    assert sentence.startswith(
        "On 3 test scans, CML reached a mean Dice of 0.833 and Supervised-only 0.605 (+0.228 Dice (95 % interval over test scans alone "
    )
    assert "better in 2 of 3 test scans, p = 0.5)" in sentence  # 2 of 8 sign patterns rank as far out on each side
    assert "2 labelled scans" in sentence
    assert "3 unlabelled scans" in sentence
    assert "this is one training of each, and another seed may reverse it" in sentence
    assert sentence.endswith("; a class was missed or invented by CML in 1 of 3.")


def test_a_single_run_has_a_report_too(runs: Runs, test_cases: list[Case]) -> None:
    report = compare("One run", {"CML": runs["CML"]}, test_cases)
    assert report.summary == (
        "CML, trained on 2 labelled scans and 3 unlabelled scans, reached a mean Dice of 0.833 "
        "(95 % interval over test scans alone 0.116 to 1.000) on 3 test scans; a class was missed or invented by CML in 1 of 3."
    )
    assert "Median case" in render(report)
    control = compare("One run", {"Supervised-only": runs["Supervised-only"]}, test_cases).summary
    assert control.startswith(
        "Supervised-only, trained on 2 labelled scans, reached a mean Dice of 0.605 (95 % interval over test scans alone 0.5"
    )


def test_the_report_shows_the_median_and_the_worst_case(runs: Runs, test_cases: list[Case]) -> None:
    report = compare("Two runs", runs, test_cases)
    captions = [picture.caption for section in report.sections if section.title == "Pictures" for picture in section.pictures]
    assert captions == [
        "Median case, scan_1. Supervised-only: Dice 0.61; CML: Dice 1.00.",
        "Worst case, scan_0. Supervised-only: Dice 0.58; CML: Dice 0.50.",
    ]
    assert report.protocol.startswith("Protocol “sealed, last step”: the test scans were opened after training was finished")
    assert render(report) == render(compare("Two runs", runs, test_cases))


def test_an_example_is_read_in_the_scans_own_spacing(runs: Runs, test_cases: list[Case]) -> None:
    example = read_example(test_cases[0], runs)
    assert example.spacing == (1.0, 1.0, 2.0)
    assert list(example.predictions) == ["Supervised-only", "CML"]
    with pytest.raises(ValueError, match="scan_0 has no label"):
        read_example(test_cases[0].unlabeled(), runs)


def test_settings_stand_side_by_side_with_a_dash_where_a_method_has_none() -> None:
    table = side_by_side(
        "Setting", {"A": dict(flat({"settings": {"weight": 2 / 3}, "seed": 1})), "B": dict(flat({"seed": 2, "patch": [4, 4]}))}
    )
    assert table.head == ("Setting", "A", "B")
    assert table.rows == (("seed", "1", "2"), ("patch", "–", "4, 4"), ("settings.weight", "0.666667", "–"))


def test_settings_of_many_runs_are_one_row_a_value() -> None:
    values = {"A": {"seed": "1", "steps": "9"}, "B": {"seed": "2", "steps": "9"}, "C": {"seed": "2", "steps": "9", "settings.w": "3"}}
    assert by_value("Setting", values).rows == (("seed", "1", "A"), ("seed", "2", "B; C"), ("steps", "9", "all"), ("settings.w", "3", "C"))
