"""The page on label efficiency: Dice over label budgets, and what more labels would bring."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from semiseg.evaluation.efficiency import REACH, Efficiency, measure
from semiseg.evaluation.gain import PERCENT
from semiseg.evaluation.statistics import SEVERAL, refuse_other_cases
from semiseg.reporting.budget_figure import budget_figure
from semiseg.reporting.evidence import failed_in, over, provenance_remark, provenance_table, scores_together, span
from semiseg.reporting.html import Picture, Report, Section
from semiseg.reporting.protocols import about_protocols, origin
from semiseg.reporting.runs import Group, group_names, identity
from semiseg.reporting.tables import Table

ABOUT = (
    f"Each point is the mean Dice over test scans and trainings with its {PERCENT} interval (with *: of one training, over scans alone). "
    "Where a curve could be fitted it is a - b n^-c for n labelled scans: an inverse power law that levels off at a. It is drawn solid "
    f"where labels were tried, dashed up to {REACH:g} times as many, and nothing is said beyond. The band is the {PERCENT} interval of the "
    "curve: the fit repeated on resampled scans and trainings; it is drawn where there is one curve."
)

BUDGET = ("data.labeled",)
"""The setting that groups of one curve differ in."""


def curves_of(groups: Sequence[Group]) -> dict[str, list[Group]]:
    """Groups that differ in their label budget alone, by the name of what they share; the smallest budget first, and none twice: where two
    groups have the same (all 16 labels there are, and 16 of 16 by name), the second begins a curve of its own.

    Raises:
        DataError: the groups were not scored on the same cases.
    """
    found: dict[tuple[str, int], list[Group]] = {}
    for group in groups:
        refuse_other_cases(groups[0].evaluations[0], group.evaluations[0])
        key = json.dumps(identity(group.folder, group.runs[0], BUDGET), sort_keys=True)
        same = sum(group.budget == other.budget for (known, _), members in found.items() if known == key for other in members)
        found.setdefault((key, same), []).append(group)
    names = group_names([members[0].folder for members in found.values()], BUDGET)
    if len(set(names)) < len(names):  # folders of one name
        names = [f"{name}, {number}" for number, name in enumerate(names, start=1)]
    return {name: sorted(members, key=lambda group: group.budget) for name, members in zip(names, found.values(), strict=True)}


def efficiency(members: Sequence[Group]) -> Efficiency:
    """Of one curve, as `curves_of` gives it."""
    name = members[0].evaluations[0].compared()[-1]
    scores, patients = scores_together(members)
    failures = {group.budget: failed_in(group, name) for group in members}
    draws = {group.budget: len({run.data.draw for run in group.runs}) for group in members}
    return measure(dict(zip((group.budget for group in members), scores, strict=True)), failures, draws, patients)


def budget_table(curves: Mapping[str, Efficiency]) -> Table:
    """What was measured at each budget."""
    rows = [
        (name, str(b.labels), str(b.trainings), f"{b.mean:.3f}", over(span(b.interval), b.trainings >= SEVERAL), str(b.failures))
        for name, curve in curves.items()
        for b in curve.budgets
    ]
    return Table(("Method", "Labelled scans", "Trainings", "Dice", f"{PERCENT} interval", "Failures"), tuple(rows), keys=2)


def sentences(curves: Mapping[str, Efficiency]) -> str:
    """What each curve says."""
    return " ".join(f"{name}: {curve.sentence()}" if len(curves) > 1 else curve.sentence() for name, curve in curves.items())


def budget_picture(curves: Mapping[str, Efficiency]) -> Picture:
    """The picture with its words."""
    told = "; ".join(f"{name}: {', '.join(f'{b.mean:.3f} with {b.labels}' for b in curve.budgets)}" for name, curve in curves.items())
    caption = "Mean Dice over label budgets; the bars are intervals."
    return Picture(budget_figure(curves), f"Mean Dice over label budgets. {told}.", caption, dark=budget_figure(curves, dark=True))


def curve_report(title: str, members: Mapping[str, Sequence[Group]], curves: Mapping[str, Efficiency]) -> Report:
    """The page.

    Args:
        title: of the page.
        members: groups of each curve, of `curves_of`.
        curves: what was measured of each.
    """
    groups = [group for each in members.values() for group in each]
    cases = next(iter(curves.values())).cases
    tables = ((f"Mean Dice on {cases} test scans.", budget_table(curves)),)
    parts = (
        Section("Label efficiency", ABOUT, tables, (budget_picture(curves),)),
        Section("Protocol", provenance_remark(groups), (("Where the scores come from.", provenance_table(groups)),)),
    )
    return Report(title, sentences(curves), about_protocols(groups), parts, origin(groups))
