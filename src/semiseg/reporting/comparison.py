"""The report of one run, or of many that learned the same task: scores, order, differences, pictures, health, settings."""

from __future__ import annotations

from collections.abc import Sequence

from semiseg.case import Case
from semiseg.evaluation.results import Evaluation
from semiseg.evaluation.statistics import refuse_other_cases
from semiseg.reporting.bought import gain_lines
from semiseg.reporting.contrasts import Contrast, contrasts
from semiseg.reporting.course import course, health, warning
from semiseg.reporting.distribution import case_distribution
from semiseg.reporting.evidence import (
    ABOUT_SPREADS,
    ABOUT_TESTS,
    case_means,
    contrast_table,
    provenance_remark,
    provenance_table,
    spread_table,
    worst_table,
)
from semiseg.reporting.html import Picture, Report, Section
from semiseg.reporting.pictures import Finished, Look, case_dice, pictures
from semiseg.reporting.protocols import about_protocols, origin
from semiseg.reporting.published import published
from semiseg.reporting.ranking import budgets, pairs, ranks, selected
from semiseg.reporting.runs import Group, training_names
from semiseg.reporting.settings import environment, settings
from semiseg.reporting.summary import summary
from semiseg.reporting.tables import score_table

SHOWN = 6
"""Methods in a picture, at most."""
MANY = 8
"""Trainings above which the tables of every training and every pair stand near the end of the page."""
HOW_TO_READ = (
    "Dice and Jaccard: 1 is perfect. HD95 and ASD: 95th percentile and mean of the distances between the surfaces, 0 is perfect. "
    "Failures: scans where a class was missed altogether or found where there is none; "
    "they count in Dice and Jaccard and have no distance to average, so that some averages are over fewer scans (n)."
)


def compare(title: str, runs: Finished, test: Sequence[Case]) -> Report:
    """The page on finished runs, one training of each method.

    Args:
        title: of the page.
        runs: one or more; all scored on the same cases.
        test: the scored cases, whose scans and labels are shown.
    """
    return report(title, [Group(name, (run,)) for name, run in runs.items()], test)


def report(
    title: str,
    groups: Sequence[Group],
    test: Sequence[Case],
    missing: str = "",
    look: Look | None = None,
    beside: Sequence[str] = (),
) -> Report:
    """The page on groups of trainings.

    Args:
        title: of the page.
        groups: the smallest label budget first and in it the control; all scored on the same cases.
        test: the scored cases, whose scans and labels are shown.
        missing: why there are no scans to show, instead of `test`.
        look: what to ask of a run about a scan, for maps of disagreement; None: no maps.
        beside: names of published tables to show (see `published.names`).

    Raises:
        DataError: the runs were not scored on the same cases and classes, or there is no such published table.
    """
    for group in groups:
        refuse_other_cases(groups[0].evaluations[0], group.evaluations[0])
    found = contrasts(groups)
    folders = {group.name: group.folder for group in groups}
    single = every_training(groups)
    every_pair = pairs(groups)
    many = sum(len(group.trainings) for group in groups) > MANY
    parts = [
        *budgets(groups),
        scores(groups),
        *([] if many else single),
        *bought(groups, found),
        *ranks(groups),
        *differences(found),
        *([] if many else every_pair),
        *selected(groups),
        *published(groups, beside),
        every_scan(groups),
        *([Section("Pictures", f"No pictures: {missing}.")] if missing else shown(groups, test, look)),
        course(folders),
        *health(groups),
        *((*every_pair, *single) if many else []),
        Section("Protocol", provenance_remark(groups), (("Where the scores come from.", provenance_table(groups)),)),
        settings(folders),
        environment(folders),
    ]
    return Report(title, f"{summary(groups, found)} {warning(groups)}".rstrip(), about_protocols(groups), tuple(parts), origin(groups))


def scores(groups: Sequence[Group]) -> Section:
    """The Dice of each group, and what it varies with."""
    count = len(groups[0].evaluations[0].cases)
    return Section("Scores", ABOUT_SPREADS, ((f"Dice on {count} test scans, and what it varies with.", spread_table(groups)),))


def every_training(groups: Sequence[Group]) -> list[Section]:
    """All metrics of every training."""
    trainings = {name: scored for group in groups for name, (_, scored) in zip(training_names(group), group.trainings, strict=True)}
    caption = "Mean ± standard deviation over test scans."
    return [Section("Every training", HOW_TO_READ, ((caption, score_table(trainings)),))]


def differences(found: Sequence[Contrast]) -> tuple[Section, ...]:
    """Each method against its control."""
    caption = "Difference of Dice: the first method less the other; better, worse, equal: in how many scans."
    return (Section("Differences", ABOUT_TESTS, ((caption, contrast_table(found)),)),) if found else ()


def bought(groups: Sequence[Group], found: Sequence[Contrast]) -> tuple[Section, ...]:
    """What the unlabelled scans were good for."""
    lines = gain_lines(groups, found)
    return (Section("What the unlabelled scans bought", lines=tuple(lines)),) if lines else ()


def every_scan(groups: Sequence[Group]) -> Section:
    """The Dice of each test scan as a picture, and the worst ones by name."""
    dices = {group.name: list(case_means(group).values()) for group in groups}
    if not all(dices.values()):
        return Section("Every test scan", "No test scan has a class that was labelled or found.")
    medians = "; ".join(f"{name}: {min(v):.2f} to {max(v):.2f}" for name, v in dices.items())
    alt = f"Dots for the Dice of each test scan, one row a method. Lowest to highest: {medians}."
    picture = Picture(
        case_distribution(dices),
        alt,
        "A dot is one scan (its mean over trainings), the bar is the median.",
        dark=case_distribution(dices, dark=True),
    )
    return Section("Every test scan", "", (("The worst scans, by the mean Dice over all methods.", worst_table(groups)),), (picture,))


def shown(groups: Sequence[Group], test: Sequence[Case], look: Look | None) -> list[Section]:
    """Pictures for the smallest label budget, and where there are several for the largest."""
    every = sorted({group.budget for group in groups})
    sections = []
    for budget in dict.fromkeys((every[0], every[-1])):
        runs = {group.name: group.trainings[0] for group in groups if group.budget == budget}
        first = dict(list(runs.items())[-SHOWN:])
        sections.append(pictures(first, test, look, f"Pictures, {budget} labelled" if len(every) > 1 else "Pictures"))
    return sections


def wins(evaluation: Evaluation, control: Evaluation) -> tuple[int, int]:
    """In how many cases the Dice is higher than the control's, and of how many."""
    ours, theirs = case_dice(evaluation), case_dice(control)
    both = ours.keys() & theirs.keys()
    return sum(ours[case] > theirs[case] for case in both), len(both)
