"""What the scores prove: tables of spreads and intervals, of paired tests, and of where the scores come from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean

from semiseg.evaluation.bootstrap import Interval
from semiseg.evaluation.gain import PERCENT, in_words, verdict
from semiseg.evaluation.results import MEAN, failed
from semiseg.evaluation.statistics import Paired, compare_classes, corrected, score_array, spread
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
    f"The {PERCENT} interval is a bootstrap over test scans, and over trainings where there are several. The spread over trainings says "
    "how much another seed changes the mean; that over scans, how much scans differ."
)
ABOUT_TESTS = (
    "Each row compares two methods on the same test scans. p is of Wilcoxon's signed-rank test over scans, two-sided, each scan with its "
    "mean over trainings; p (Holm) is corrected for all rows of this table. Where the interval includes 0, the data show no difference. "
    "With one training of each, what another seed would change is not in these numbers; with several, it is in the interval and not in p. "
    "Failures: of the method / of the other, scans where the class was missed or found where there is none."
)


@dataclass(frozen=True)
class Contrast:
    """A group against its control, by class and under `MEAN`."""

    group: Group
    control: Group
    classes: dict[str, Paired]

    @property
    def overall(self) -> Paired:
        """Of the mean over classes, or of the only class."""
        return self.classes.get(MEAN) or next(iter(self.classes.values()))


def contrasts(groups: Sequence[Group], metric: str = "dice") -> list[Contrast]:
    """Each group against the first one of its label budget, which is the control if there is one; tests corrected together."""
    pairs = [(group, control_of(group, groups)) for group in groups]
    found = [(group, control, compare_classes(group.evaluations, control.evaluations, metric)) for group, control in pairs if control]
    tests = iter(corrected([paired for _, _, classes in found for paired in classes.values()]))
    return [Contrast(group, control, {name: next(tests) for name in classes}) for group, control, classes in found]


def control_of(group: Group, groups: Sequence[Group]) -> Group | None:
    """The first group of the same label budget, unless that is the group itself."""
    first = next(other for other in groups if other.budget == group.budget)
    return None if first is group else first


def spread_table(groups: Sequence[Group]) -> Table:
    """Dice of each group and class: mean, interval, spread over trainings and over scans, failures."""
    rows = []
    for group in groups:
        for name in group.evaluations[0].compared():
            found = spread(score_array(group.evaluations, name, "dice"))
            spreads = (number(found.training_std), number(found.case_std))
            cells = (f"{found.mean:.3f}", span(found.interval), *spreads, str(failed_in(group, name)))
            rows.append((group.name, name, str(found.trainings), *cells))
    head = ("Method", "Class", "Trainings", "Dice", f"{PERCENT} interval", "Spread over trainings", "Spread over scans", "Failures")
    return Table(head, tuple(rows), keys=2)


def contrast_table(found: Sequence[Contrast], metric: str = "Dice") -> Table:
    """Differences with interval, p-values, in how many scans each side is better, and the failures of both."""
    rows = [
        (contrast.group.name, contrast.control.name, name, *paired_cells(paired), failures(contrast, name))
        for contrast in found
        for name, paired in contrast.classes.items()
    ]
    counts = ("Better", "Worse", "Equal", "Failures")
    head = ("Method", "Against", "Class", f"{metric} difference", f"{PERCENT} interval", "p", "p (Holm)", *counts)
    return Table(head, tuple(rows), keys=3)


def failures(contrast: Contrast, name: str) -> str:
    """Of both sides, over all trainings."""
    return " / ".join(str(failed_in(group, name)) for group in (contrast.group, contrast.control))


def failed_in(group: Group, name: str) -> int:
    """In how many scans, over all trainings, a class (or for `MEAN` any) was missed or found where there is none."""
    cases = [case for evaluation in group.evaluations for case in evaluation.cases]
    return sum(any(failed(score) for score in case.classes if name in (MEAN, score.name)) for case in cases)


def paired_cells(paired: Paired) -> tuple[str, ...]:
    """One comparison as cells."""
    counts = (str(paired.better), str(paired.worse), str(paired.equal))
    return f"{paired.difference:+.3f}", span(paired.interval, "+.3f"), chance(paired.p), chance(paired.p_holm), *counts


def span(interval: Interval, form: str = ".3f") -> str:
    """An interval as text."""
    return "–" if math.isnan(interval.low) else f"{interval.low:{form}} to {interval.high:{form}}"


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


def gain_lines(groups: Sequence[Group], found: Sequence[Contrast]) -> list[str]:
    """What the unlabelled scans bought: each method against the supervised one of its budget, runs that have a control beside them against
    that, and of the others how to find out.
    """
    lines = []
    for group in groups:
        if not group.uses_unlabeled:
            continue
        contrast = next((each for each in found if each.group is group and not each.control.uses_unlabeled), None)
        if contrast is not None:
            lines.append(f"{group.name}: {verdict(contrast.overall)}: {in_words(contrast.overall)}, against {contrast.control.name}.")
            continue
        for name, (folder, _) in zip(training_names(group), group.trainings, strict=True):
            gain = folder.read_json("gain.json")
            if gain is not None:
                lines.append(f"{name}: {gain['sentence']}")
            elif control_of(group, groups) is None:
                lines.append(f"{name}: not known; train its control with `semiseg train --resume {folder.path} --control`.")
    return lines
