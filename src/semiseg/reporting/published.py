"""Numbers that others have published, beside ours and never among them: no test and no ranking sees them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from statistics import fmean
from typing import Any

import yaml

from semiseg.data.folder import open_folder
from semiseg.data.known import KNOWN
from semiseg.errors import DataError, SemisegError, did_you_mean
from semiseg.evaluation.results import Evaluation
from semiseg.reporting.html import Section
from semiseg.reporting.protocols import UNKNOWN, without_fold
from semiseg.reporting.ranking import both_scores
from semiseg.reporting.runs import Group
from semiseg.reporting.tables import Table

COLUMNS = {"dice": "Dice [%]", "jaccard": "Jaccard [%]", "hd95": "95HD [voxel]", "asd": "ASD [voxel]"}
OURS = {"dice": ("dice", 100), "jaccard": ("jaccard", 100), "hd95": ("hd95_voxel", 1), "asd": ("asd_voxel", 1)}
ABOUT = (
    "Published: copied from the source in each row, measured by nobody here, single runs, and by the protocol in the last column. Most of "
    "this code counts an empty prediction as a distance of 0, which flatters failures. Ours stand above them in the same units, averaged "
    "over trainings: the row of selected weights belongs beside rows that were selected alike, that of the last step beside the "
    "others. The two are not compared: no test and no ranking on this page has seen published rows."
)


@cache
def tables() -> Mapping[str, Any]:
    """All published rows by data set, as the package holds them."""
    text = resources.files("semiseg.reporting").joinpath("published.yaml").read_text(encoding="utf-8")
    found: Mapping[str, Any] = yaml.safe_load(text)
    return found


def names() -> list[str]:
    """What can be asked for: a data set and a number of labelled patients, such as la-8."""
    return [f"{name}-{labeled}" for name, each in tables().items() for labeled in sorted({row["labeled"] for row in each["rows"]})]


def published(groups: Sequence[Group], beside: Sequence[str] = ()) -> tuple[Section, ...]:
    """Published rows with ours above them, for the tables that are asked for, and those of the groups' own data set and label budgets.

    Args:
        groups: on the page.
        beside: of `names`.

    Raises:
        DataError: there is no such table.
    """
    for name in beside:
        if name not in names():
            raise DataError(f"--published {name}: no such table{did_you_mean(name, names())}. There are: {', '.join(names())}.")
    wanted = dict.fromkeys([*own_tables(groups), *beside])
    sections = []
    for name in wanted:
        key, _, labeled = name.rpartition("-")
        title = f"{tables()[key]['title']} with {labeled} labelled"
        ours = [group for group in groups if group.budget == int(labeled)]
        found = [(f"Ours: {title}, means over trainings.", our_table(ours))] if ours else []
        found.append((f"Published, not ours: {title}.", published_table(key, int(labeled))))
        sections.append(Section(f"Published results, {title}", f"{ABOUT} {tables()[key]['about']}", tuple(found)))
    return tuple(sections)


def own_tables(groups: Sequence[Group]) -> list[str]:
    """The tables of the data set that the groups were trained on, if that is recognised by its files as a published one and still there."""
    folder = groups[0].runs[0].data.folder
    try:
        dataset = None if folder is None else open_folder(folder)
    except SemisegError:
        return []
    key = dataset.name.lower() if dataset and dataset.layout in {known.TITLE for known in KNOWN} else ""
    return [f"{key}-{budget}" for budget in sorted({group.budget for group in groups}) if f"{key}-{budget}" in names()]


def published_table(key: str, labeled: int) -> Table:
    """The published rows of one label budget."""
    rows = []
    for row in tables()[key]["rows"]:
        if row["labeled"] == labeled:
            source = row["source"] + (" (not confirmed)" if row.get("unconfirmed") else "")
            rows.append((row["method"], *(shown(row.get(column)) for column in COLUMNS), source, row["protocol"]))
    return Table(("Published method", *COLUMNS.values(), "Source", "Protocol"), tuple(rows), words=2)


def our_table(groups: Sequence[Group]) -> Table:
    """Our means in the units of publications: of the last step, and where weights were selected, of those in a row of their own."""
    rows = []
    for group in groups:
        for evaluations in (group.evaluations, both_scores(group)[1]):
            if evaluations:
                rows.append((group.name, *our_cells(evaluations)))
    return Table(("Our method", *COLUMNS.values(), "Failures", "Trainings", "Protocol"), tuple(rows), words=1)


def our_cells(evaluations: Sequence[Evaluation]) -> tuple[str, ...]:
    """One row of ours, without its name."""
    name = evaluations[0].compared()[-1]
    summaries = [evaluation.summary()[name] for evaluation in evaluations]
    values = [factor * fmean(each[metric].mean for each in summaries) for metric, factor in OURS.values()]
    failures = sum(each["dice"].failures for each in summaries)
    how = dict.fromkeys(without_fold(each.provenance.protocol) if each.provenance else UNKNOWN for each in evaluations)
    return (*map(shown, values), str(failures), str(len(summaries)), "; ".join(how))


def shown(value: float | None) -> str:
    """Two digits, as publications print them; a dash where there is no value."""
    return "–" if value is None or math.isnan(value) else f"{value:.2f}"
