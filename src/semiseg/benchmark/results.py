"""The scores of a grid: a tidy table of single values, and averages over trainings for people."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from semiseg.benchmark.training import Training, finished
from semiseg.evaluation.results import MEAN, METRICS, CaseScore, Evaluation
from semiseg.reporting.tables import Table
from semiseg.run_folder import RunFolder

LAST, SELECTED = "last", "selected"
FILES = {LAST: "scores.json", SELECTED: "scores-selected.json"}
"""Scores of a run folder by whose weights they are of."""
PERCENT = {"dice": "Dice %", "jaccard": "Jaccard %"}
DISTANCE = {"hd95": "HD95", "asd": "ASD"}


@dataclass(frozen=True)
class Scored:
    """One finished training and one set of its weights."""

    training: Training
    folder: RunFolder
    weights: str
    evaluation: Evaluation

    @property
    def cost(self) -> dict[str, Any]:
        cost: dict[str, Any] = self.folder.read_json("cost.json") or {}
        return cost

    @property
    def protocol(self) -> str:
        """What the score file says, without the fold."""
        source = self.evaluation.provenance
        return source.protocol.partition(", fold")[0] if source else "unknown protocol"


@dataclass(frozen=True)
class Row:
    """Trainings of one method, variant and label budget on one data set, and one kind of weights."""

    data: str
    labeled: int
    label: str
    weights: str
    protocol: str
    members: tuple[Scored, ...]

    @property
    def evaluations(self) -> list[Evaluation]:
        """One a seed and draw; the folds of a cross-validation are one, over all cases."""
        pooled: dict[tuple[int, int], list[Scored]] = {}
        for member in self.members:
            pooled.setdefault((member.training.seed, member.training.draw), []).append(member)
        return [pool([member.evaluation for member in folds]) for folds in pooled.values()]


def read_scores(trainings: Sequence[Training], out: Path) -> list[Scored]:
    """Of all finished trainings, in the order of the grid."""
    done = [(training, RunFolder(out / training.name)) for training in trainings if finished(RunFolder(out / training.name))]
    return [
        Scored(training, folder, weights, Evaluation.from_json(folder.path / file))
        for training, folder in done
        for weights, file in FILES.items()
        if (folder.path / file).is_file()
    ]


def whole(scores: Sequence[Scored]) -> tuple[list[Scored], list[str]]:
    """The scores that averages may take, and a line on each cross-validation that they may not, since it is not over all cases yet."""
    folds: dict[tuple[str, str], set[str]] = {}
    for one in scores:
        folds.setdefault(_validation(one), set()).add(one.training.fold or "1/1")
    wanted = {key: int(next(iter(done)).partition("/")[2]) for key, done in folds.items()}
    short = {key: f"{key[0]} ({len(done)} of {wanted[key]} folds)" for key, done in folds.items() if len(done) < wanted[key]}
    return [one for one in scores if _validation(one) not in short], list(dict.fromkeys(short.values()))


def _validation(one: Scored) -> tuple[str, str]:
    """What the folds of one cross-validation share: a name without the fold, and whose weights."""
    return replace(one.training, fold=None).name, one.weights


def pool(evaluations: Sequence[Evaluation]) -> Evaluation:
    """The cases of several folds as one evaluation."""
    cases: tuple[CaseScore, ...] = tuple(case for evaluation in evaluations for case in evaluation.cases)
    return replace(evaluations[0], cases=cases)


def rows_of(scores: Sequence[Scored]) -> list[Row]:
    """Grouped, by data set and the smallest budget first; apart from that in the order of the grid."""
    groups: dict[tuple[str, int, str, str, str], list[Scored]] = {}
    for one in scores:
        source = one.evaluation.provenance
        labeled = one.training.labeled or (source.labeled if source else 0)
        groups.setdefault((one.training.data, labeled, one.training.label, one.weights, one.protocol), []).append(one)
    rows = [Row(*key, tuple(members)) for key, members in groups.items()]
    order = {name: place for place, name in enumerate(dict.fromkeys(row.data for row in rows))}
    return sorted(rows, key=lambda row: (order[row.data], row.labeled))


def tidy(scores: Sequence[Scored]) -> Iterator[dict[str, Any]]:
    """One row per training, kind of weights, case, class and metric; an undefined value is empty."""
    for one in scores:
        training, source = one.training, one.evaluation.provenance
        place = {
            "data": training.data,
            "method": training.method,
            "variant": training.variant,
            "labeled": source.labeled if source else training.labeled,
            "draw": training.draw,
            "seed": training.seed,
            "fold": training.fold or "",
            "weights": one.weights,
            "protocol": source.protocol if source else "",
            "fingerprint": source.data if source else "",
            "version": source.version if source else "",
        }
        for row in one.evaluation.rows():
            for metric in METRICS:
                value = "" if math.isnan(row[metric]) else row[metric]
                yield {**place, "case": row["case"], "class": row["class"], "status": row["status"], "metric": metric, "value": value}


def write_tidy(scores: Sequence[Scored], path: Path) -> None:
    """results.csv."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer: csv.DictWriter[str] | None = None
        for row in tidy(scores):
            if writer is None:
                writer = csv.DictWriter(file, list(row))
                writer.writeheader()
            writer.writerow(row)


def table(rows: Sequence[Row]) -> Table:
    """Mean ± standard deviation over trainings (seeds, draws) of the mean over cases; what it took. Of one data set."""
    unit = distance_unit(rows)
    metrics = {**PERCENT, **{f"{name}_{unit}": f"{title} {unit}" for name, title in DISTANCE.items()}}
    head = ("labels", "method", "weights", "class", *metrics.values(), "failures", "cases", "trainings", "s a step", "peak MB")
    lines = []
    for row in rows:
        summaries = [evaluation.summary() for evaluation in row.evaluations]
        costs = took([member.cost for member in row.members])
        for name in row.evaluations[0].compared():
            cells = [over_trainings([s[name][m].mean for s in summaries], 100 if m in PERCENT else 1) for m in metrics]
            failures = str(sum(s[name]["dice"].failures for s in summaries))
            counts = failures, str(len(row.evaluations[0].cases)), str(len(summaries))
            lines.append((str(row.labeled), row.label, row.weights, name, *cells, *counts, *costs))
    return Table(head, tuple(lines), keys=4)


def distance_unit(rows: Sequence[Row]) -> str:
    """Voxels where the protocol is the paper's, as its rows are published, or where no spacing is known; else mm."""
    published = any(row.protocol.startswith("paper") for row in rows)
    known = any(s["hd95_mm"].n for row in rows for evaluation in row.evaluations for s in evaluation.summary().values())
    return "mm" if known and not published else "voxel"


def over_trainings(values: Sequence[float], factor: float = 1) -> str:
    """Mean ± standard deviation; `undefined` where it is so in a training, which an average would hide."""
    if any(map(math.isnan, values)):
        return "undefined"
    spread = f" ± {factor * stdev(values):.2f}" if len(values) > 1 else ""
    return f"{factor * fmean(values):.2f}{spread}"


def took(costs: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Mean seconds a step, and the highest peak of memory."""
    seconds = [cost["seconds_per_step"] for cost in costs if cost]
    memory = [cost["peak_memory_mb"] for cost in costs if cost and cost["peak_memory_mb"] is not None]
    return (f"{fmean(seconds):.2f}" if seconds else "–", f"{max(memory):.0f}" if memory else "–")


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Every row with its trainings, for programs."""
    return [
        {
            "data": row.data,
            "labeled": row.labeled,
            "method": row.label,
            "weights": row.weights,
            "protocol": row.protocol,
            "trainings": [_member(member) for member in row.members],
        }
        for row in rows
    ]


def _member(member: Scored) -> dict[str, Any]:
    found = member.evaluation.as_dict()
    source = asdict(member.evaluation.provenance) if member.evaluation.provenance else {}
    return {"run": member.training.name, **source, "fold": member.training.fold, "cost": member.cost, "summary": found["summary"]}


__all__ = ["MEAN", "Row", "Scored", "as_json", "read_scores", "rows_of", "table", "tidy", "whole", "write_tidy"]
