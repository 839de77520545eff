"""What the scores prove: tables of spreads and intervals, of paired tests, and of where the scores come from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from statistics import fmean

import numpy as np

from semiseg.evaluation.gain import PERCENT
from semiseg.evaluation.intervals import Groups, Interval, Scores
from semiseg.evaluation.results import MEAN, failed
from semiseg.evaluation.statistics import SEVERAL, Paired, Spread, case_groups, score_array, spread
from semiseg.reporting.contrasts import Contrast
from semiseg.reporting.runs import Group, training_names
from semiseg.reporting.tables import Table

BESIDE = 4
"""Methods whose values fit beside each other on a printed page."""
WORST = 10
"""Cases listed in the table of the worst."""
ORIGIN = {
    "protocol": "Protocol",
    "seed": "Seed",
    "draw": "Label draw",
    "labeled": "Labelled patients",
    "data": "Data",
    "version": "Version",
}
"""Columns of the table of origins."""
ABOUT_SPREADS = (
    f"The {PERCENT} interval (of t) counts what test scans and what trainings vary by. With * it is of one training, over scans alone, "
    "and says nothing of other seeds. The spread over trainings says how much another seed changes the mean; that over scans, how much "
    "scans differ."
)
ABOUT_P = (
    "p is of Wilcoxon's signed-rank test over scans, two-sided, each scan with its mean over trainings; p (Holm) is corrected for all rows "
    "of the table. p speaks of other test scans given these trainings, and not of other seeds."
)
ABOUT_TESTS = (
    f"Each row compares two methods on the same test scans. {ABOUT_P} The interval speaks of both; with * a side has one training, it is "
    "over scans alone, and another seed may reverse the difference. Where it includes 0, the data show no difference. Left out (if any): "
    "scans without a score on a side, which are in no mean; where one side alone failed there, or rightly found nothing, they "
    "count as better or worse. Of patients with several scans, patients are drawn, tested and counted, each by the mean of its scans. "
    "Failures: of the method / of the other, scans where the class was missed or found where there is none."
)


def spread_table(groups: Sequence[Group]) -> Table:
    """Dice of each group and class: mean, interval, spread over trainings and over scans, failures."""
    rows = []
    for group in groups:
        for name in group.evaluations[0].compared():
            found = group_spread(group, name)
            spreads = (number(found.training_std), number(found.case_std))
            cells = (f"{found.mean:.3f}", over(span(found.interval), found.trainings >= SEVERAL), *spreads, str(failed_in(group, name)))
            rows.append((group.name, name, str(found.trainings), *cells))
    head = ("Method", "Class", "Trainings", "Dice", f"{PERCENT} interval", "Spread over trainings", "Spread over scans", "Failures")
    return Table(head, tuple(rows), keys=2)


def group_spread(group: Group, name: str) -> Spread:
    """Dice of one class, or of `MEAN`."""
    return spread(score_array(group.evaluations, name, "dice"), case_groups(group.evaluations))


def scores_together(groups: Sequence[Group]) -> tuple[list[Scores], Groups]:
    """Dice of the mean over classes of each group's trainings, (T, N) over the same cases, and the patients of these."""
    every = [evaluation for group in groups for evaluation in group.evaluations]
    rows = iter(score_array(every, every[0].compared()[-1], "dice"))
    return [np.stack([next(rows) for _ in group.evaluations]) for group in groups], case_groups(every)


def contrast_table(found: Sequence[Contrast]) -> Table:
    """Differences with interval, p-values, in how many scans each side is better, and the failures of both; scans that are left out of the
    differences where there are any.
    """
    every = [(contrast, name, paired) for contrast in found for name, paired in contrast.classes.items()]
    some = any(paired.left_out for _, _, paired in every)
    rows = [
        (contrast.group.name, contrast.control.name, name, *paired_cells(paired, some), failures(contrast, name))
        for contrast, name, paired in every
    ]
    head = ("Method", "Against", "Class", *paired_head(some), "Failures")
    return Table(head, tuple(rows), keys=3)


def paired_head(left_out: bool) -> tuple[str, ...]:
    """Of the columns that `paired_cells` fills."""
    rest = ("Left out",) if left_out else ()
    return "Difference", f"{PERCENT} interval", "p", "p (Holm)", "Better", "Worse", "Equal", *rest


def failures(contrast: Contrast, name: str) -> str:
    """Of both sides, over all trainings."""
    return " / ".join(str(failed_in(group, name)) for group in (contrast.group, contrast.control))


def failed_in(group: Group, name: str) -> int:
    """In how many scans, over all trainings, a class (or for `MEAN` any) was missed or found where there is none."""
    cases = [case for evaluation in group.evaluations for case in evaluation.cases]
    return sum(any(failed(score) for score in case.classes if name in (MEAN, score.name)) for case in cases)


def paired_cells(paired: Paired, left_out: bool) -> tuple[str, ...]:
    """One comparison as cells, with the number of scans that are in no mean if asked for."""
    interval = over(span(paired.interval, "+.3f"), paired.knows_seeds)
    counts = (paired.better, paired.worse, paired.equal, *((paired.left_out,) if left_out else ()))
    return f"{paired.difference:+.3f}", interval, chance(paired.p), chance(paired.p_holm), *map(str, counts)


def span(interval: Interval, form: str = ".3f") -> str:
    """An interval as text."""
    return "–" if math.isnan(interval.low) else f"{interval.low:{form}} to {interval.high:{form}}"


def over(interval: str, knows_seeds: bool) -> str:
    """An interval as a cell, marked where it is over scans alone."""
    return interval if knows_seeds or interval == "–" else f"{interval} *"


def number(value: float) -> str:
    """Three digits, or a dash where there is none."""
    return "–" if math.isnan(value) else f"{value:.3f}"


def chance(p: float) -> str:
    """A p-value as people write it."""
    if math.isnan(p):
        return "–"
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}" if p < 0.1 else f"{p:.2f}"


def case_means(group: Group) -> dict[str, float]:
    """Dice of each scan, averaged over classes and trainings; scans where no class was labelled or found are left out."""
    values = [evaluation.values(MEAN, "dice") for evaluation in group.evaluations]
    return {case: fmean(v[case] for v in values) for case in values[0] if not any(math.isnan(v[case]) for v in values)}


def worst_table(groups: Sequence[Group]) -> Table:
    """The scans with the lowest mean Dice over all methods, the worst first; of many methods the lowest and the highest."""
    means = {group.name: case_means(group) for group in groups}
    scored = set.intersection(*map(set, means.values()))
    over_all = {case: fmean(mean[case] for mean in means.values()) for case in scored}
    order = sorted(scored, key=lambda case: (over_all[case], case))[:WORST]
    if len(groups) <= BESIDE:
        return Table(("Scan", *means), tuple((case, *(f"{mean[case]:.3f}" for mean in means.values())) for case in order))
    rows = []
    for case in order:
        values = {name: mean[case] for name, mean in means.items()}
        ends = (f"{values[name]:.3f} ({name})" for name in (min(values, key=values.__getitem__), max(values, key=values.__getitem__)))
        rows.append((case, f"{over_all[case]:.3f}", *ends))
    return Table(("Scan", "Mean", "Lowest", "Highest"), tuple(rows), words=2)


def provenance_table(groups: Sequence[Group]) -> Table:
    """Protocol, seeds, draws, label budget, data and version of each training; a dash where a score file does not say."""
    rows = []
    for group in groups:
        for name, (_, evaluation) in zip(training_names(group), group.trainings, strict=True):
            known = asdict(evaluation.provenance) if evaluation.provenance else {}
            rows.append((name, *(str(known.get(key, "–")) for key in ORIGIN)))
    return Table(("Method", *ORIGIN.values()), tuple(rows), numeric=False)


def provenance_remark(groups: Sequence[Group]) -> str:
    """What is wrong with the origins of the scores, if anything."""
    sources = [evaluation.provenance for group in groups for _, evaluation in group.trainings]
    if None in sources:
        return "Some score files do not say where they come from: they were made by an older version."
    if len({source.data for source in sources if source}) > 1:
        return "The runs were made on different data (their fingerprints differ): differences between methods may be differences of data."
    return "Data: a fingerprint of the ids and sizes of all files; equal where runs were made on the same ones."
