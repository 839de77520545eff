"""Label maps are scored from files and arrays; averages say what they leave out."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import h5py
import numpy as np
import pytest

from semiseg.case import Array, Geometry
from semiseg.data.formats import write_label
from semiseg.errors import DataError
from semiseg.evaluation.evaluate import evaluate, evaluate_readable
from semiseg.evaluation.pairs import Pair, match_pairs
from semiseg.evaluation.results import MEAN


def box(*corner: int, value: int = 1, shape: tuple[int, ...] = (8, 8, 8)) -> Array:
    """A cube of 2 voxels a side at `corner`."""
    labels = np.zeros(shape, np.uint8)
    labels[tuple(slice(c, c + 2) for c in corner)] = value
    return labels


def write(path: Path, labels: Array, spacing: float = 2.0, shift: float = 0.0) -> Path:
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[0, 3] = shift
    write_label(path, labels, Geometry(affine))
    return path


EMPTY = np.zeros((8, 8, 8), np.uint8)
HALF = Pair("half", box(1, 1, 1), box(2, 1, 1), (1.0, 1.0, 2.0))  # overlap 4 of 8 and 8 voxels: Dice 0.5
PERFECT = Pair("perfect", box(1, 1, 1), box(1, 1, 1), (1.0, 1.0, 2.0))
FAILED = Pair("failed", EMPTY, box(1, 1, 1), (1.0, 1.0, 2.0))
MISSING = Pair("missing", None, box(1, 1, 1), (1.0, 1.0, 2.0))
INVENTED = Pair("invented", box(1, 1, 1), EMPTY, (1.0, 1.0, 2.0))
ABSENT = Pair("absent", EMPTY, EMPTY, (1.0, 1.0, 2.0))


# Averages


def test_mean_spread_and_median_are_over_cases() -> None:
    dice = evaluate([HALF, PERFECT], ["organ"]).summary()["organ"]["dice"]
    assert (dice.mean, dice.median, dice.n, dice.failures) == (0.75, 0.75, 2, 0)
    assert dice.std == pytest.approx(0.5 / math.sqrt(2))  # sample standard deviation of 0.5 and 1
    assert math.isnan(evaluate([HALF], ["organ"]).summary()["organ"]["dice"].std)


@pytest.mark.parametrize("failure", [FAILED, MISSING, INVENTED])
def test_a_failure_costs_dice_and_is_counted_where_there_is_no_distance(failure: Pair) -> None:
    organ = evaluate([HALF, failure], ["organ"]).summary()["organ"]
    assert (organ["dice"].mean, organ["dice"].n, organ["dice"].failures) == (0.25, 2, 1)
    assert (organ["hd95_voxel"].mean, organ["hd95_voxel"].n, organ["hd95_voxel"].failures) == (1, 1, 1)


def test_a_class_in_neither_label_map_is_in_no_average_and_no_failure() -> None:
    evaluation = evaluate([HALF, ABSENT], ["organ"])
    dice = evaluation.summary()["organ"]["dice"]
    assert (dice.mean, dice.n, dice.failures) == (0.5, 1, 0)
    assert "1 times a class was in neither label map" in evaluation.to_text()


def test_a_missing_file_is_a_failure_even_where_there_was_nothing_to_find() -> None:
    evaluation = evaluate([HALF, Pair("missing", None, EMPTY)], ["organ"])
    dice = evaluation.summary()["organ"]["dice"]
    assert (dice.mean, dice.n, dice.failures) == (0.5, 1, 1)


def test_the_mean_over_classes_is_taken_within_each_case() -> None:
    good = Pair("good", box(1, 1, 1) + box(4, 4, 4, value=2), box(1, 1, 1) + box(5, 4, 4, value=2))  # Dice 1 and 0.5
    lost = Pair("lost", box(1, 1, 1), box(1, 1, 1) + box(5, 4, 4, value=2))  # Dice 1 and 0
    summary = evaluate([good, lost], ["a", "b"]).summary()
    assert (summary["a"]["dice"].mean, summary["b"]["dice"].mean, summary[MEAN]["dice"].mean) == (1, 0.25, 0.625)
    # HD95: good 0 and 1. Lost: 0 and undefined, so that case has no mean; its 0 must not improve the average to 0.25.
    assert summary[MEAN]["hd95_voxel"].mean == 0.5
    assert (summary[MEAN]["hd95_voxel"].n, summary[MEAN]["hd95_voxel"].failures) == (1, 1)


def test_a_missing_file_lowers_the_mean_dice_though_one_class_is_absent() -> None:
    missing = Pair("missing", None, box(1, 1, 1))
    both = box(1, 1, 1) + box(4, 4, 4, value=2)
    dice = evaluate([Pair("perfect", both, both), missing], ["a", "b"]).summary()[MEAN]["dice"]
    assert (dice.mean, dice.n, dice.failures) == (0.5, 2, 1)


# Output


def test_json_and_csv_hold_every_row_and_no_nan(tmp_path: Path) -> None:
    evaluation = evaluate([HALF, FAILED], ["organ"])
    evaluation.to_json(tmp_path / "scores.json")
    evaluation.to_csv(tmp_path / "scores.csv")
    found = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert found == evaluation.as_dict()
    assert "NaN" not in (tmp_path / "scores.json").read_text(encoding="utf-8")
    assert found["summary"]["organ"]["dice"]["mean"] == 0.25
    assert [(r["case"], r["class"], r["status"], r["hd95_mm"]) for r in found["cases"]] == [
        ("half", "organ", "ok", 1.0),
        ("failed", "organ", "empty prediction", None),
    ]
    with (tmp_path / "scores.csv").open() as file:
        half, failed = csv.DictReader(file)
    assert (half["case"], half["dice"], half["reference_volume"]) == ("half", "0.5", "16.0")
    assert (failed["dice"], failed["hd95_mm"]) == ("0.0", "")


def test_the_text_shows_numbers_counts_and_failures() -> None:
    text = evaluate([HALF, PERFECT, MISSING], ["organ"]).to_text()
    assert "HD95 [mm]" in text
    assert "0.500 ± 0.500 (n=3)" in text  # Dice 0.5, 1, 0
    assert "0.500 ± 0.707 (n=2)" in text  # HD95 1, 0
    assert "missing: organ: missing prediction" in text


def test_the_text_is_in_voxels_where_a_spacing_is_unknown() -> None:
    text = evaluate([HALF, Pair("unknown", box(1, 1, 1), box(1, 1, 1))], ["organ"]).to_text()
    assert "HD95 [voxel]" in text
    assert "[mm]" not in text


# Files


def test_folders_of_nifti_are_scored_in_their_own_millimeters(tmp_path: Path) -> None:
    write(tmp_path / "p" / "a.nii.gz", box(1, 1, 1))
    write(tmp_path / "r" / "a.nii.gz", box(2, 1, 1), shift=5e-4)
    done: list[tuple[int, int]] = []
    pairs = match_pairs(tmp_path / "p", tmp_path / "r")
    (row,) = evaluate(pairs, ["organ"], progress=lambda n, total: done.append((n, total))).rows()
    assert (row["hd95_voxel"], row["hd95_mm"], row["reference_volume"]) == (1, 2, 64)  # 8 voxels of 8 mm^3
    assert done == [(1, 1)]


def test_two_folders_are_scored_by_their_names(tmp_path: Path) -> None:
    write(tmp_path / "p" / "a.nii.gz", box(1, 1, 1))
    write(tmp_path / "r" / "a.nii.gz", box(2, 1, 1))
    pairs = [Pair("a", str(tmp_path / "p" / "a.nii.gz"), str(tmp_path / "r" / "a.nii.gz"))]  # type: ignore[arg-type]  # as people write it
    named = evaluate(str(tmp_path / "p"), tmp_path / "r", ["organ"])
    assert named.as_dict() == evaluate(pairs, ["organ"]).as_dict() == evaluate(pairs, classes=["organ"]).as_dict()
    assert evaluate(tmp_path / "p", tmp_path / "r").classes == ("class_1",)
    with pytest.raises(DataError, match="Give two folders"):
        evaluate(tmp_path / "p", ["organ"])  # type: ignore[call-overload]  # that is the mistake
    with pytest.raises(DataError, match="Give a list of names"):
        evaluate(pairs, "organ")


def test_an_own_spacing_wins_over_the_file_and_h5_has_none(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["label"] = box(2, 1, 1)
    nifti = write(tmp_path / "p" / "a.nii.gz", box(1, 1, 1))

    def hd95(prediction: Path | Array, spacing: tuple[float, ...] | None) -> float:
        (row,) = evaluate([Pair("a", prediction, tmp_path / "a.h5", spacing)], ["organ"]).rows()
        return float(row["hd95_mm"])

    assert math.isnan(hd95(nifti, None))  # a prediction for an h5 scan has made up its own millimetres
    assert hd95(nifti, (3.0, 3.0, 3.0)) == 3
    assert math.isnan(hd95(box(1, 1, 1), None))


def test_two_dimensions(tmp_path: Path) -> None:
    flat = box(1, 1, shape=(6, 6)), box(2, 1, shape=(6, 6))
    (row,) = evaluate([Pair("a", *flat, (0.5, 3.0))], ["organ"]).rows()
    assert (row["dice"], row["hd95_mm"], row["prediction_volume"]) == (0.5, 0.5, 6)  # 4 pixels of 1.5 mm^2


def test_workers_change_nothing() -> None:
    pairs = [HALF, FAILED, PERFECT]
    assert evaluate(pairs, ["organ"], workers=2).as_dict() == evaluate(pairs, ["organ"]).as_dict()


# Errors


def check_error(pairs: list[Pair], message: str, classes: tuple[str, ...] = ("organ",)) -> None:
    with pytest.raises(DataError, match=message):
        evaluate(pairs, classes)


def test_two_places_are_an_error_that_names_both_files(tmp_path: Path) -> None:
    prediction, reference = write(tmp_path / "p" / "a.nii.gz", box(1, 1, 1)), write(tmp_path / "r" / "a.nii.gz", box(1, 1, 1), shift=0.5)
    check_error([Pair("a", prediction, reference)], r"p.a\.nii\.gz and .*r.a\.nii\.gz lie in different places.* 0\.5")


def test_two_shapes_are_an_error() -> None:
    check_error([Pair("a", EMPTY[1:], EMPTY)], r"prediction of a has shape \(7, 8, 8\), but reference of a has \(8, 8, 8\)")


@pytest.mark.parametrize("role", ["prediction", "reference"])
def test_values_outside_the_classes_are_an_error(role: str) -> None:
    labels = {"prediction": EMPTY, "reference": EMPTY, role: box(1, 1, 1, value=255)}
    check_error(
        [Pair("a", labels["prediction"], labels["reference"])],
        rf"{role} of a: label has values {{0, 255}}; expected 0\.\.1 \(0 background, then organ\)",
    )


def test_negative_values_are_an_error() -> None:
    check_error([Pair("a", EMPTY.astype(np.int16) - 1, EMPTY)], r"values {-1}")


def test_what_cannot_be_scored_is_an_error() -> None:
    check_error([], "no case to score")
    check_error([HALF, HALF], "2 cases are called half")
    check_error([HALF], "no class to score", classes=())
    check_error([Pair("a", EMPTY, EMPTY, (1.0, 1.0))], r"a: spacing is \(1\.0, 1\.0\); expected 3 positive numbers")


@pytest.mark.parametrize("workers", [1, 2])
def test_what_cannot_be_scored_does_not_stop_the_others(tmp_path: Path, workers: int) -> None:
    (tmp_path / "cut.nii.gz").write_bytes(b"not a scan")
    cut, small = Pair("cut", tmp_path / "cut.nii.gz", EMPTY), Pair("small", EMPTY[1:], EMPTY)
    done: list[int] = []
    found, failed = evaluate_readable([HALF, cut, small, PERFECT], ["organ"], workers, lambda n, _: done.append(n))
    assert found is not None
    assert found.as_dict() == evaluate([HALF, PERFECT], ["organ"]).as_dict()
    assert list(failed) == ["cut", "small"]
    assert str(tmp_path / "cut.nii.gz") in failed["cut"]
    assert "has shape (7, 8, 8)" in failed["small"]
    assert done == [1, 2, 3, 4]
    assert evaluate_readable([cut], ["organ"]) == (None, {"cut": failed["cut"]})
