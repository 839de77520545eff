"""What an evaluation found: rows per case and class, averages that say what they leave out, files and a table."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

from semiseg.evaluation.metrics import ClassScore

METRICS = ("dice", "jaccard", "hd95_voxel", "asd_voxel", "assd_voxel", "hd95_mm", "asd_mm", "assd_mm")
DISTANCES = {"hd95": "HD95", "asd": "ASD", "assd": "ASSD"}
MEAN = "mean"
"""The row of `summary` over all classes."""
NOT_FAILED = ("ok", "both empty")
LISTED = 20
"""How many failures the text lists; the files hold all."""


@dataclass(frozen=True)
class CaseScore:
    """The scores of one case, in the order of the classes."""

    id: str
    classes: tuple[ClassScore, ...]


@dataclass(frozen=True)
class Statistic:
    """One metric over the cases.

    Attributes:
        mean, median: over the `n` cases where the metric is defined; nan where there is none.
        std: sample standard deviation over those cases (not over seeds); nan with fewer than two.
        n: cases that the average is over.
        failures: cases with an empty or missing prediction or a prediction where the reference is empty. Their Dice counts (it is 0);
            their distances are not in the average, so read it together with this number.
    """

    mean: float
    std: float
    median: float
    n: int
    failures: int


@dataclass(frozen=True)
class Evaluation:
    """Every score of every case. `classes` are the foreground classes, in the order of their labels."""

    classes: tuple[str, ...]
    cases: tuple[CaseScore, ...]

    def rows(self) -> Iterator[dict[str, Any]]:
        """One flat row per case and class; what is undefined is nan."""
        for case in self.cases:
            for score in case.classes:
                values = asdict(score)
                yield {"case": case.id, "class": values.pop("name"), **values}

    def failures(self) -> list[tuple[str, ClassScore]]:
        """(case id, score) of everything that failed."""
        return [(case.id, score) for case in self.cases for score in case.classes if failed(score)]

    def summary(self) -> dict[str, dict[str, Statistic]]:
        """Averages by class and metric, and under `MEAN` those of the mean over classes, taken within each case.

        A class that is in neither label map of a case is no part of that case's mean. A case where a class failed has no mean
        distance: to average the classes that went well would reward the failure.
        """
        by_class = {name: [[case.classes[i]] for case in self.cases] for i, name in enumerate(self.classes)}
        by_class[MEAN] = [list(case.classes) for case in self.cases]
        return {name: {metric: _statistic(cases, metric) for metric in METRICS} for name, cases in by_class.items()}

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON: undefined numbers are None."""
        summary = {name: {m: asdict(s) for m, s in metrics.items()} for name, metrics in self.summary().items()}
        found: dict[str, Any] = {"classes": list(self.classes), "summary": summary, "cases": list(self.rows())}
        plain: dict[str, Any] = _without_nan(found)
        return plain

    def to_json(self, path: Path) -> None:
        """`as_dict` as a file."""
        path.write_text(json.dumps(self.as_dict(), indent=2, allow_nan=False) + "\n", encoding="utf-8")

    def to_csv(self, path: Path) -> None:
        """One line per case and class; undefined numbers are empty."""
        columns = ["case", "class", *(f.name for f in fields(ClassScore) if f.name != "name")]
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows({k: "" if _undefined(v) else v for k, v in row.items()} for row in self.rows())

    def table(self) -> list[list[str]]:
        """Header and rows for people: mean, spread and number of cases; distances in mm, or in voxels where a spacing is unknown."""
        return _table(self)

    def to_text(self) -> str:
        """`table`, aligned, and under it what failed."""
        return "\n".join([*_align(self.table()), "", *_remarks(self)]) + "\n"


def failed(score: ClassScore) -> bool:
    """A class in both label maps or in neither is no failure."""
    return score.status not in NOT_FAILED


def _statistic(cases: list[list[ClassScore]], metric: str) -> Statistic:
    """Over cases, each given by the scores that make it up."""
    present = [[score for score in case if score.prediction_voxels or score.reference_voxels] for case in cases]
    values = [fmean(getattr(score, metric) for score in case) for case in present if case]
    values = [value for value in values if not math.isnan(value)]
    return Statistic(
        mean=fmean(values) if values else math.nan,
        std=stdev(values) if len(values) > 1 else math.nan,
        median=median(values) if values else math.nan,
        n=len(values),
        failures=sum(any(map(failed, case)) for case in cases),
    )


def _undefined(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if _undefined(value) else value


def _table(evaluation: Evaluation) -> list[list[str]]:
    summary = evaluation.summary()
    unit = "mm" if all(s["hd95_mm"].n == s["hd95_voxel"].n for s in summary.values()) else "voxel"
    if len(evaluation.classes) == 1:
        del summary[MEAN]
    metrics = {"dice": "Dice", "jaccard": "Jaccard", **{f"{name}_{unit}": f"{title} [{unit}]" for name, title in DISTANCES.items()}}
    head = ["class", *metrics.values(), "failures"]
    return [head, *([name, *(_cell(s[m]) for m in metrics), str(s["dice"].failures)] for name, s in summary.items())]


def _cell(statistic: Statistic) -> str:
    if not statistic.n:
        return "undefined"
    spread = "" if math.isnan(statistic.std) else f" ± {statistic.std:.3f}"
    return f"{statistic.mean:.3f}{spread} (n={statistic.n})"


def _align(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _remarks(evaluation: Evaluation) -> list[str]:
    remarks = [f"{len(evaluation.cases)} cases; mean ± standard deviation over cases (n = how many)."]
    failures = evaluation.failures()
    if failures:
        remarks.append(f"{len(failures)} failures: in the averages of Dice and Jaccard, not in those of distances:")
        remarks.extend(f"  {case}: {score.name}: {score.status}" for case, score in failures[:LISTED])
    if len(failures) > LISTED:
        remarks.append(f"  and {len(failures) - LISTED} more")
    absent = sum(score.status == "both empty" for case in evaluation.cases for score in case.classes)
    if absent:
        remarks.append(f"{absent} times a class was in neither label map: no score, and in no average.")
    return remarks
