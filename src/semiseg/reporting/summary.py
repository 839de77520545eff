"""What came out, in one sentence that claims no more than the trainings can show."""

from __future__ import annotations

from collections.abc import Sequence

from semiseg.evaluation.gain import PERCENT, in_words
from semiseg.evaluation.results import failed
from semiseg.evaluation.statistics import score_array, spread
from semiseg.reporting.evidence import Contrast, span
from semiseg.reporting.ranking import stability
from semiseg.reporting.runs import Group, training_names

LISTED = 4
"""Differences and failures that are told; tables hold the others."""


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
    count = len(groups[0].evaluations[0].cases)
    if not found:
        return "; ".join(alone(group) for group in groups) + f" on {count} test scans"
    if len(found) > LISTED:
        return of_many(groups, found)
    if len(found) > 1:
        told = (f"{c.group.name} against {c.control.name} {in_words(c.overall)}" for c in found)
        return f"On {count} test scans: {'; '.join(told)}"
    (contrast,) = found
    name, other, split = contrast.group.name, contrast.control.name, contrast.group.folder.read_json("split.json")
    besides = f", {name} with {len(split['unlabeled'])} unlabelled scans besides" if contrast.group.uses_unlabeled else ""
    return (
        f"On {count} test scans, {name} reached a mean Dice of {mean_dice(contrast.group):.3f} and {other} "
        f"{mean_dice(contrast.control):.3f} ({in_words(contrast.overall)}) with the same {contrast.group.labeled} labelled scans"
        f"{besides}; {limits(contrast)}"
    )


def of_many(groups: Sequence[Group], found: Sequence[Contrast]) -> str:
    """Which method came first at each label budget and how surely, and in how many comparisons the unlabelled scans helped."""
    firsts = []
    for budget in sorted({group.budget for group in groups}):
        members = [group for group in groups if group.budget == budget]
        if len(members) > 1:
            name, place = min(stability(members).places.items(), key=lambda item: item[1].rank)
            firsts.append(f"{name} had the highest mean Dice, {place.mean:.3f} (first in {place.first:.0%} of resamples)")
    bought = [each.overall.interval for each in found if is_gain(each)]
    helped, harmed = sum(gain.low > 0 for gain in bought), sum(gain.high < 0 for gain in bought)
    told = f"; against supervised training the unlabelled scans helped in {helped} of {len(bought)} comparisons and did harm in {harmed}"
    return f"On {len(groups[0].evaluations[0].cases)} test scans, {'; '.join(firsts)}{told if bought else ''}"


def is_gain(contrast: Contrast) -> bool:
    """Whether a difference is what unlabelled scans bought."""
    return contrast.group.uses_unlabeled and not contrast.control.uses_unlabeled


def alone(group: Group) -> str:
    """One group's result as a phrase."""
    split = group.folder.read_json("split.json")
    others = f" and {len(split['unlabeled'])} unlabelled ones" if group.uses_unlabeled else ""
    found = spread(score_array(group.evaluations, group.evaluations[0].compared()[-1], "dice"))
    interval = f" ({PERCENT} interval {span(found.interval)})" if found.cases > 1 else ""
    times = f", {found.trainings} trainings" if found.trainings > 1 else ""
    return f"{group.name}, trained on {group.labeled} labelled scans{others}{times}, reached a mean Dice of {found.mean:.3f}{interval}"


def mean_dice(group: Group) -> float:
    """Over classes, scans and trainings."""
    return spread(score_array(group.evaluations, group.evaluations[0].compared()[-1], "dice")).mean


def limits(contrast: Contrast) -> str:
    """What the numbers of trainings allow to say."""
    ours, theirs = len(contrast.group.trainings), len(contrast.control.trainings)
    if ours == theirs == 1:
        return "this is one training of each, and other seeds give other differences"
    return f"means over {ours} and {theirs} trainings"
