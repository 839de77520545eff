"""What an evaluation found: rows per case and class, averages that say what they leave out, files and a table."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

from semiseg.errors import DataError
from semiseg.evaluation.metrics import ClassScore
from semiseg.run_folder import replacing

METRICS = ("dice", "jaccard", "hd95_voxel", "asd_voxel", "assd_voxel", "hd95_mm", "asd_mm", "assd_mm")
DISTANCES = {"hd95": "HD95", "asd": "ASD", "assd": "ASSD"}
MEAN = "mean"
"""The row of `summary` over all classes."""
NOT_FAILED = ("ok", "both empty")
LISTED = 20
"""How many failures the text lists; the files hold all."""


@dataclass(frozen=True)
class CaseScore:
    """The scores of one case, in the order of the classes; `group` is its patient, or empty where that is the case itself or unknown."""

    id: str
    classes: tuple[ClassScore, ...]
    group: str = ""


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
class Provenance:
    """Where the scores of a run come from.

    Attributes:
        protocol: how test cases and model were kept apart, such as "sealed, last step".
        method: its name in the run.
        seed: of the training.
        draw: which draw of labelled cases.
        labeled: groups (patients) whose labels were used.
        data: fingerprint of the data set; equal for every budget and draw of the same files.
        version: of this package.
    """

    protocol: str
    method: str
    seed: int
    draw: int
    labeled: int
    data: str
    version: str


@dataclass(frozen=True)
class Evaluation:
    """Every score of every case.

    Attributes:
        classes: the foreground classes, in the order of their labels.
        cases: their scores.
        provenance: of which training, for the scores of a run.
    """

    classes: tuple[str, ...]
    cases: tuple[CaseScore, ...]
    provenance: Provenance | None = None

    def rows(self) -> Iterator[dict[str, Any]]:
        """One flat row per case and class, with the group of a case that has one; what is undefined is nan."""
        for case in self.cases:
            group = {"group": case.group} if case.group else {}
            for score in case.classes:
                values = asdict(score)
                yield {"case": case.id, **group, "class": values.pop("name"), **values}

    def compared(self) -> tuple[str, ...]:
        """What tables have a row for: each class, and the `MEAN` where there are several."""
        return (*self.classes, MEAN) if len(self.classes) > 1 else self.classes

    def values(self, name: str, metric: str) -> dict[str, float]:
        """One metric of one class, or of the `MEAN` over classes, by case id; nan where it is undefined."""
        chosen = slice(None) if name == MEAN else slice(self.classes.index(name), self.classes.index(name) + 1)
        return {case.id: _mean_over_classes(case.classes[chosen], metric) for case in self.cases}

    def failures(self) -> list[tuple[str, ClassScore]]:
        """(case id, score) of everything that failed."""
        return [(case.id, score) for case in self.cases for score in case.classes if failed(score)]

    def summary(self) -> dict[str, dict[str, Statistic]]:
        """Averages by class and metric, and under `MEAN` those of the mean over classes, taken within each case.

        A class that is in neither label map of a case is no part of that case's mean. A case where a class failed has no mean
        distance: to average the classes that went well would reward the failure.
        """
        failures = {name: sum(failed(case.classes[i]) for case in self.cases) for i, name in enumerate(self.classes)}
        failures[MEAN] = sum(any(map(failed, case.classes)) for case in self.cases)
        return {name: {metric: _statistic(self.values(name, metric).values(), n) for metric in METRICS} for name, n in failures.items()}

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON: undefined numbers are None."""
        summary = {name: {m: asdict(s) for m, s in metrics.items()} for name, metrics in self.summary().items()}
        source = {"provenance": asdict(self.provenance)} if self.provenance else {}
        plain: dict[str, Any] = without_nan({**source, "classes": list(self.classes), "summary": summary, "cases": list(self.rows())})
        return plain

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Evaluation:
        """What `as_dict` gave."""
        cases: dict[tuple[str, str], list[ClassScore]] = {}
        for row in values["cases"]:
            score: dict[str, Any] = {key: math.nan if value is None else value for key, value in row.items()}
            cases.setdefault((score.pop("case"), score.pop("group", "")), []).append(ClassScore(name=score.pop("class"), **score))
        source = Provenance(**values["provenance"]) if "provenance" in values else None
        found = tuple(CaseScore(case, tuple(scores), group) for (case, group), scores in cases.items())
        return Evaluation(tuple(values["classes"]), found, source)

    def to_json(self, path: Path) -> None:
        """`as_dict` as a file, which is there when it is whole: that scores.json is there says that a run is finished."""
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(self.as_dict(), indent=2, allow_nan=False) + "\n", encoding="utf-8")

    @staticmethod
    def from_json(path: Path) -> Evaluation:
        """What `to_json` wrote.

        Raises:
            DataError: there is no such file, or it holds no scores.
        """
        try:
            return Evaluation.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}: holds no scores that this version reads ({error!r}).") from error

    def to_csv(self, path: Path) -> None:
        """One line per case and class, ending with the provenance where there is one; undefined numbers are empty."""
        source = asdict(self.provenance) if self.provenance else {}
        group = ["group"] if any(case.group for case in self.cases) else []
        columns = ["case", *group, "class", *(f.name for f in fields(ClassScore) if f.name != "name"), *source]
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows({k: "" if _undefined(v) else v for k, v in {**row, **source}.items()} for row in self.rows())

    def table(self) -> list[list[str]]:
        """Header and rows for people: mean, spread and number of cases; distances in mm, or in voxels where a spacing is unknown."""
        return _table(self)

    def to_text(self) -> str:
        """`table`, aligned, and under it what failed."""
        return "\n".join([*_align(self.table()), "", *_remarks(self)]) + "\n"


def failed(score: ClassScore) -> bool:
    """A class in both label maps or in neither is no failure."""
    return score.status not in NOT_FAILED


def _mean_over_classes(scores: Sequence[ClassScore], metric: str) -> float:
    """Over the classes that are in either label map; nan where none is, and where one of them has no such score."""
    present = [getattr(score, metric) for score in scores if score.prediction_voxels or score.reference_voxels]
    return fmean(present) if present else math.nan


def _statistic(cases: Iterable[float], failures: int) -> Statistic:
    values = [value for value in cases if not math.isnan(value)]
    return Statistic(
        mean=fmean(values) if values else math.nan,
        std=stdev(values) if len(values) > 1 else math.nan,
        median=median(values) if values else math.nan,
        n=len(values),
        failures=failures,
    )


def _undefined(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def without_nan(value: Any) -> Any:
    """Nested values ready for JSON: undefined numbers are None."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
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
    ignored = [case.classes[0].ignored_voxels for case in evaluation.cases if case.classes[0].ignored_voxels]
    if ignored:
        remarks.append(f"{sum(ignored)} voxels of {len(ignored)} cases have no reference: left out on both sides.")
    absent = sum(score.status == "both empty" for case in evaluation.cases for score in case.classes)
    if absent:
        remarks.append(f"{absent} times a class was in neither label map: no score, and in no average.")
    return remarks
