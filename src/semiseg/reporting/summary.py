"""What came out, in one sentence that claims no more than the trainings can show."""

from __future__ import annotations

from collections.abc import Sequence

from semiseg.evaluation.gain import CAUTION, PERCENT, SCANS_ALONE, in_words
from semiseg.evaluation.results import failed
from semiseg.evaluation.statistics import SEVERAL, Spread, case_groups
from semiseg.reporting.contrasts import Contrast, fields, unequal
from semiseg.reporting.evidence import group_spread, span
from semiseg.reporting.protocols import kind
from semiseg.reporting.ranking import stability
from semiseg.reporting.runs import Group, training_names

LISTED = 4
"""Differences and failures that are told; tables hold the others."""
SURE = 0.05
"""Of p (Holm), where comparisons are counted."""


def summary(groups: Sequence[Group], found: Sequence[Contrast]) -> str:
    """The result of each group, or, where there are methods to compare, their differences; and what failed."""
    return f"{results(groups, found)}{failures(groups)}."


def failures(groups: Sequence[Group]) -> str:
    """In how many scans each training missed a class, or found one where there is none: a phrase, empty where all went well."""
    missed = [
        f"{name} in {count} of {len(evaluation.cases)}"
        for group in groups
        for name, (_, evaluation) in zip(training_names(group), group.trainings, strict=True)
        if (count := sum(any(map(failed, case.classes)) for case in evaluation.cases))
    ]
    rest = f" and {len(missed) - LISTED} more trainings" if len(missed) > LISTED else ""
    return f"; a class was missed or invented by {', '.join(missed[:LISTED])}{rest}" if missed else ""


def results(groups: Sequence[Group], found: Sequence[Contrast]) -> str:
    """Of each group, or of their differences: a sentence without its full stop."""
    tested = test_set(groups[0])
    if not found:
        return "; ".join(alone(group) for group in groups) + f" on {tested}"
    if len(found) > LISTED:
        return of_many(groups, found)
    if len(found) > 1:
        told = "; ".join(f"{c.group.name} against {c.control.name} {in_words(c.overall)}" for c in found)
        return f"On {tested}: {told}" + ("" if all(c.overall.knows_seeds for c in found) else "; of one training a side, " + CAUTION)
    (contrast,) = found
    name, other = contrast.group.name, contrast.control.name
    besides = f", {name} with {contrast.group.others} besides" if contrast.group.uses_unlabeled else ""
    same = "the same " if {run.data.draw for run in contrast.group.runs} == {run.data.draw for run in contrast.control.runs} else ""
    return (
        f"On {tested}, {name} reached a mean Dice of {overall(contrast.group).mean:.3f} and {other} "
        f"{overall(contrast.control).mean:.3f} ({in_words(contrast.overall)}) with {same}{contrast.group.labels}"
        f"{besides}; {limits(contrast)}"
    )


def of_many(groups: Sequence[Group], found: Sequence[Contrast]) -> str:
    """Which method came first at each label budget and how surely, and in how many comparisons the unlabelled scans helped."""
    firsts, several = [], len({kind(group) for group in groups}) > 1
    for members in fields(groups):
        if len(members) > 1:
            name, place = min(stability(members).places.items(), key=lambda item: item[1].rank)
            seeds = "" if all(len(group.evaluations) >= SEVERAL for group in members) else f"; of one training of a method, {CAUTION}"
            under = f" under “{kind(members[0])}”" if several else ""
            best = name.removesuffix(f", {members[0].budget} labelled")
            firsts.append(f"{best} with {members[0].labels}{under}, {place.mean:.3f} (first in {place.first:.0%} of resamples{seeds})")
    if firsts:
        firsts[0] = f"the highest mean Dice had {firsts[0]}"
    return f"On {test_set(groups[0])}, {'; '.join([*firsts, *counted([each for each in found if each.is_gain])])}"


def counted(gains: Sequence[Contrast]) -> list[str]:
    """In how many comparisons at equal budget the unlabelled scans helped, and in how many nobody can tell: phrases."""
    known, others = ([each.overall for each in gains if each.overall.knows_seeds is knows] for knows in (True, False))
    sure = [each.interval for each in known if each.p_holm < SURE]
    helped, harmed, told = sum(each.low > 0 for each in sure), sum(each.high < 0 for each in sure), []
    if known:
        told.append(
            f"against supervised training at equal budget the unlabelled scans helped in {helped} of {len(known)} comparisons and did harm "
            f"in {harmed} ({PERCENT} interval, over seeds too, on one side of 0, and p (Holm) below {SURE})"
        )
    if others:
        ahead = sum(each.difference > 0 for each in others)
        told.append(
            f"in {len(others)} comparisons with one training a side the method with unlabelled scans was ahead in {ahead}; {CAUTION}, "
            "so that they tell nothing of what unlabelled scans buy"
        )
    return told


def test_set(group: Group) -> str:
    """How many test scans, and of how many patients where that is fewer."""
    scans = len(group.evaluations[0].cases)
    patients = int(case_groups(group.evaluations).max()) + 1
    return f"{scans} test scans" + (f" of {patients} patients" if patients < scans else "")


def alone(group: Group) -> str:
    """One group's result as a phrase."""
    others = f" and {group.others}" if group.uses_unlabeled else ""
    found = overall(group)
    limited = "" if found.trainings >= SEVERAL else f" {SCANS_ALONE}"
    interval = f" ({PERCENT} interval{limited} {span(found.interval)})" if found.cases > 1 else ""
    times = f", {found.trainings} trainings" if found.trainings > 1 else ""
    return f"{group.name}, trained on {group.labels}{others}{times}, reached a mean Dice of {found.mean:.3f}{interval}"


def overall(group: Group) -> Spread:
    """Dice over classes, scans and trainings."""
    return group_spread(group, group.evaluations[0].compared()[-1])


def limits(contrast: Contrast) -> str:
    """What the numbers of trainings allow to say."""
    ours, theirs = contrast.overall.trainings
    others = unequal(contrast.group, contrast.control)
    apart = f"; their settings differ: {'; '.join(others)}" if others else ""
    if ours == theirs == 1:
        return f"this is one training of each, and {CAUTION}{apart}"
    return f"{means_over(ours, theirs)}{'' if contrast.overall.knows_seeds else f', and {CAUTION}'}{apart}"


def means_over(ours: int, theirs: int) -> str:
    """How many trainings, as a phrase."""
    return f"means over {ours} trainings of each" if ours == theirs else f"means over {ours} and {theirs} trainings"
