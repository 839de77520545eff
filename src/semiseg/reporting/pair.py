"""The page on two runs: paired differences by class, and the scans on which they differ most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from semiseg.case import Array, Case
from semiseg.errors import DataError
from semiseg.evaluation.gain import CAUTION, in_words
from semiseg.evaluation.statistics import SEVERAL
from semiseg.reporting.contrasts import contrast, unequal
from semiseg.reporting.evidence import ABOUT_TESTS, case_means, contrast_table, provenance_remark, provenance_table
from semiseg.reporting.figures import slices_figure
from semiseg.reporting.html import Picture, Report, Section
from semiseg.reporting.pictures import Finished, read_example
from semiseg.reporting.protocols import about_protocols, kind, origin
from semiseg.reporting.runs import Group, Training, group_names, grouped
from semiseg.reporting.settings import environment, settings
from semiseg.reporting.summary import means_over
from semiseg.reporting.tables import Table

METRICS = {"dice": "Dice", "hd95_mm": "HD95 [mm]"}
SHOWN = 2
"""Scans shown for each side."""


def pair_groups(trainings: Sequence[Training]) -> tuple[Group, Group]:
    """Two runs, or several of each of two methods, as groups under names that tell them apart; the first is that of the first training.

    Raises:
        DataError: more than two runs that are not of two groups, each of trainings that differ in seed, label draw or fold alone.
    """
    if len(trainings) == 2:
        first, second = trainings
        names = group_names([first[0], second[0]])
        if names[0] == names[1]:
            names = [f"{name} ({training[0].path.name})" for name, training in zip(names, trainings, strict=True)]
        return Group(names[0], (first,)), Group(names[1], (second,))
    groups = sorted(grouped(trainings), key=lambda group: trainings.index(group.trainings[0]))
    if len(groups) != 2:
        raise DataError(
            f"compare takes two runs, or trainings of two methods that differ in seed, label draw and fold alone; these are "
            f"{len(trainings)} of {len(groups)}: {', '.join(group.name for group in groups)}. `semiseg report` takes any number."
        )
    return groups[0], groups[1]


def difference_tables(group: Group, control: Group) -> dict[str, Table]:
    """A table of differences for each metric that any scan has."""
    found = {title: contrast(group, control, metric) for metric, title in METRICS.items()}
    return {title: contrast_table([each]) for title, each in found.items() if each.overall.cases}


def pair_report(group: Group, control: Group, test: Sequence[Case], missing: str = "") -> Report:
    """The page.

    Args:
        group, control: differences are of the first less the second.
        test: the scored cases, whose scans and labels are shown.
        missing: why there are no scans to show, instead of `test`.

    Raises:
        DataError: the runs were not scored on the same cases and classes.
    """
    groups = (group, control)
    tables = tuple((f"{title}: {group.name} less {control.name}.", t) for title, t in difference_tables(group, control).items())
    shown = Section("Where they differ most", f"No pictures: {missing}.") if missing else most_different(group, control, test)
    folders = {each.name: each.folder for each in groups}
    parts = (
        Section("Differences", ABOUT_TESTS, tables),
        shown,
        Section("Protocol", provenance_remark(groups), (("Where the scores come from.", provenance_table(groups)),)),
        settings(folders),
        environment(folders),
    )
    said = f"{group.name} less {control.name}: {in_words(contrast(group, control, 'dice').overall)}; {limits(group, control)}."
    return Report(f"{group.name} against {control.name}", said, about_protocols(groups), parts, origin(groups))


def limits(group: Group, control: Group) -> str:
    """What the trainings allow to say of the methods: a phrase."""
    ours, theirs = len(group.evaluations), len(control.evaluations)
    trainings = "one training of each" if ours == theirs == 1 else means_over(ours, theirs)
    others = [*unequal(group, control), *([f"protocol {kind(group)} / {kind(control)}"] if kind(group) != kind(control) else [])]
    reversible = f", and {CAUTION}" if min(ours, theirs) < SEVERAL else ""
    return f"{trainings}{reversible}" + (f"; their settings differ: {'; '.join(others)}" if others else "")


def most_different(group: Group, control: Group, test: Sequence[Case]) -> Section:
    """The scans where each side is ahead by most, cut where the two predictions differ most."""
    ours, theirs = case_means(group), case_means(control)
    shown_of = [{case.id for case in each.trainings[0][1].cases} for each in (group, control)]
    gains = {case: ours[case] - theirs[case] for case in ours if case in theirs and all(case in scored for scored in shown_of)}
    order = sorted(gains, key=lambda case: (-gains[case], case))
    chosen = [case for case in order[:SHOWN] if gains[case] > 0] + [case for case in order[::-1][:SHOWN] if gains[case] < 0]
    cases, runs = {case.id: case for case in test}, {each.name: each.trainings[0] for each in (group, control)}
    shown = tuple(picture(cases[case], runs, gains[case]) for case in chosen)
    text = "Each row is the slice on which the two predictions differ in most voxels." if shown else "The two agree in every scan's Dice."
    text += " Scans are chosen by the mean over trainings; of several trainings the first is shown." if len(group.trainings) > 1 else ""
    return Section("Where they differ most", text, (), shown)


def picture(case: Case, runs: Finished, gain: float) -> Picture:
    """One scan with both predictions, and who is right where they differ."""
    example = read_example(case, runs)
    first, second = example.predictions.values()
    example = replace(example, contrast=who_is_right(first, second, example.label))
    said = "; ".join(f"{name}: {remark}" for name, remark in example.remarks.items())
    one, other = runs
    shares = ", ".join(f"{name} is right in {share:.0%}" for name, share in zip(runs, right_shares(example.contrast), strict=True))
    drawn = f"the scan, its label, the predictions of {one} and {other}, and where they differ, with the label's outline"
    png = slices_figure(example, next(iter(runs.values()))[1].classes, focus=(first != second).astype("uint8"))
    alt = f"Slices of scan {case.id} in columns: {drawn}. {said}. Of the voxels where they differ, {shares}."
    return Picture(png, alt, f"{case.id}, difference {gain:+.2f}. {said}. Of the voxels where they differ, {shares}.")


def who_is_right(first: Array, second: Array, label: Array) -> Array:
    """(*S): 0 where two label maps agree, 1 where the first is right, 2 where the second is, 3 where neither is."""
    right = np.select([first == label, second == label], [1, 2], 3)
    return np.where(first == second, 0, right).astype(np.uint8)


def right_shares(contrast: Array | None) -> tuple[float, float]:
    """Of the voxels where two label maps differ, the shares in which the first and the second are right."""
    differing = contrast[contrast > 0] if contrast is not None else np.zeros(0)
    return (float((differing == 1).mean()), float((differing == 2).mean())) if differing.size else (0.0, 0.0)
