"""The report of one run, or of several that learned the same task from the same labels: scores, pictures, settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from semiseg.case import Case
from semiseg.data.formats import read_image, read_label
from semiseg.data.labels import read_classes
from semiseg.evaluation.results import Evaluation
from semiseg.evaluation.statistics import refuse_other_cases
from semiseg.reporting.distribution import case_distribution
from semiseg.reporting.evidence import (
    ABOUT_SPREADS,
    ABOUT_TESTS,
    Contrast,
    case_means,
    contrast_table,
    contrasts,
    gain_lines,
    provenance_remark,
    provenance_table,
    spread_table,
    worst_table,
)
from semiseg.reporting.figures import Example, loss_curves, slices_figure
from semiseg.reporting.html import Picture, Report, Section
from semiseg.reporting.runs import Group, flat, text, training_names
from semiseg.reporting.summary import summary
from semiseg.reporting.tables import Table, score_table
from semiseg.run_folder import RunFolder
from semiseg.training.door import PROTOCOL as SEALED

PROTOCOL = "Sealed protocol: the test scans were opened after training was finished, and the model is that of the last step."
UNKNOWN_PROTOCOL = "Protocol: not recorded for every run (see Protocol below)."
SHOWN = 6
"""Methods in pictures and curves, at most."""
Finished = Mapping[str, tuple[RunFolder, Evaluation]]
"""Run folder and test scores by the name of the method, the control first."""


def compare(title: str, runs: Finished, test: Sequence[Case]) -> Report:
    """The page on finished runs, one training of each method.

    Args:
        title: of the page.
        runs: one or more; all scored on the same cases.
        test: the scored cases, whose scans and labels are shown.
    """
    return report(title, [Group(name, (run,)) for name, run in runs.items()], test)


def report(title: str, groups: Sequence[Group], test: Sequence[Case], missing: str = "") -> Report:
    """The page on groups of trainings.

    Args:
        title: of the page.
        groups: the control first; all scored on the same cases.
        test: the scored cases, whose scans and labels are shown.
        missing: why there are no scans to show, instead of `test`.

    Raises:
        DataError: the runs were not scored on the same cases and classes.
    """
    for group in groups:
        refuse_other_cases(groups[0].evaluations, group.evaluations)
    found = contrasts(groups)
    first = {group.name: group.trainings[0] for group in groups[:SHOWN]}
    folders = {group.name: group.folder for group in groups}
    shown = Section("Pictures", f"No pictures: {missing}.") if missing else pictures(first, test)
    parts = [scores(groups), *differences(found), *bought(groups), every_scan(groups), shown, course(folders)]
    parts += [Section("Protocol", provenance_remark(groups), (("Where the scores come from.", provenance_table(groups)),))]
    return Report(title, summary(groups, found), protocol(groups), (*parts, settings(folders), environment(folders)))


HOW_TO_READ = (
    "Dice and Jaccard: 1 is perfect. HD95 and ASD: 95th percentile and mean of the distances between the surfaces, 0 is perfect. "
    "Failures: scans where a class was missed altogether or found where there is none; "
    "they count in Dice and Jaccard and have no distance to average, so that some averages are over fewer scans (n)."
)


def protocol(groups: Sequence[Group]) -> str:
    """How test scans and model were kept apart, as the score files say."""
    said = {evaluation.provenance.protocol if evaluation.provenance else None for group in groups for evaluation in group.evaluations}
    return PROTOCOL if said == {SEALED} else UNKNOWN_PROTOCOL


def scores(groups: Sequence[Group]) -> Section:
    """All metrics of every training, and what the Dice of each group varies with."""
    trainings = {name: evaluation for group in groups for name, evaluation in zip(training_names(group), group.evaluations, strict=True)}
    count = len(groups[0].evaluations[0].cases)
    tables = (
        (f"Dice on {count} test scans, and what it varies with.", spread_table(groups)),
        (f"Every training: mean ± standard deviation over {count} test scans.", score_table(trainings)),
    )
    return Section("Scores", f"{HOW_TO_READ} {ABOUT_SPREADS}", tables)


def differences(found: Sequence[Contrast]) -> tuple[Section, ...]:
    """Each method against its control."""
    caption = "Difference of Dice: the first method less the other; better, worse, equal: in how many scans."
    return (Section("Differences", ABOUT_TESTS, ((caption, contrast_table(found)),)),) if found else ()


def bought(groups: Sequence[Group]) -> tuple[Section, ...]:
    """What the unlabelled scans were good for."""
    lines = gain_lines(groups)
    return (Section("What the unlabelled scans bought", " ".join(lines)),) if lines else ()


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


def case_dice(evaluation: Evaluation) -> dict[str, float]:
    """Mean Dice over the classes of each case; a class that is in neither label map is no part of it."""
    values = {case.id: [score.dice for score in case.classes if not math.isnan(score.dice)] for case in evaluation.cases}
    return {case: fmean(dices) for case, dices in values.items() if dices}


def wins(evaluation: Evaluation, control: Evaluation) -> tuple[int, int]:
    """In how many cases the Dice is higher than the control's, and of how many."""
    ours, theirs = case_dice(evaluation), case_dice(control)
    both = ours.keys() & theirs.keys()
    return sum(ours[case] > theirs[case] for case in both), len(both)


def ranked(runs: Finished) -> list[str]:
    """Case ids from the worst to the best, by the mean Dice over all methods, so that no method chooses the pictures."""
    dices = [case_dice(evaluation) for _, evaluation in runs.values()]
    scored_by_all = set.intersection(*(set(dice) for dice in dices))
    return sorted(scored_by_all, key=lambda case: (fmean(dice[case] for dice in dices), case))


def pictures(runs: Finished, test: Sequence[Case]) -> Section:
    """The median and the worst case."""
    order = ranked(runs)
    if not order:
        return Section("Pictures", "No test scan has a class that was labelled or found.")
    chosen = {"Worst": order[0], "Median": order[(len(order) - 1) // 2]}
    cases = {case.id: case for case in test}
    shown = tuple(picture(kind, cases[case], runs) for kind, case in reversed(chosen.items()))
    return Section(
        "Pictures",
        "Cases are chosen by the mean Dice over all methods; of several trainings of a method the first is shown. "
        "Each row is the slice that shows most of the label.",
        (),
        shown,
    )


def picture(kind: str, case: Case, runs: Finished) -> Picture:
    """One case as a picture."""
    example = read_example(case, runs)
    classes = next(iter(runs.values()))[1].classes
    said = "; ".join(f"{name}: {remark}" for name, remark in example.remarks.items())
    drawn = f"the scan, its label, and the predictions of {' and '.join(runs)} with the label's outline"
    alt = f"Slices of scan {case.id} in columns: {drawn}. {said}."
    return Picture(slices_figure(example, classes), alt, f"{kind} case, {case.id}. {said}.")


def read_example(case: Case, runs: Finished) -> Example:
    """A test case with its label and what each run predicted for it; of several modalities the first."""
    if case.label is None:
        raise ValueError(f"{case.id} has no label to show")
    image, geometry = read_image(case.images[0])
    spacing = case.spacing or geometry.spacing(image.ndim)
    predictions = {name: read_label(folder.predictions / f"{case.id}.nii.gz")[0] for name, (folder, _) in runs.items()}
    remarks = {name: f"Dice {case_dice(evaluation)[case.id]:.2f}" for name, (_, evaluation) in runs.items()}
    return Example(case.id, image, read_classes(case.label, case.label_map, case.labeled_part), predictions, spacing, remarks)


def course(folders: Mapping[str, RunFolder]) -> Section:
    """How the losses fell, and what the training took."""
    logs = {name: folder.log for name, folder in list(folders.items())[:SHOWN]}
    alt = f"Curves of the training loss over the steps: {', '.join(logs)}."
    caption = "Sum of the losses; methods add up different terms. A dashed line is the end of a stage."
    curves = Picture(loss_curves(logs), alt, caption, dark=loss_curves(logs, dark=True))
    costs = {name: folder.read_json("cost.json") for name, folder in folders.items()}
    rows = [
        (name, c["device"], f"{c['seconds']:.0f}", f"{c['seconds_per_step']:.3f}", text(c["peak_memory_mb"] and round(c["peak_memory_mb"])))
        for name, c in costs.items()
    ]
    table = Table(("Method", "Device", "Seconds", "Seconds a step", "Peak memory [MB]"), tuple(rows))
    return Section("Training", tables=(("What the training took.", table),), pictures=(curves,))


def settings(folders: Mapping[str, RunFolder]) -> Section:
    """Every setting of every run."""
    values = {name: dict(flat(folder.run().model_dump(mode="json"))) for name, folder in folders.items()}
    return Section("Settings", tables=(("As in run.yaml of each run folder.", side_by_side("Setting", values)),))


def environment(folders: Mapping[str, RunFolder]) -> Section:
    """Versions and machine of each run."""
    values = {name: folder.read_json("environment.json") for name, folder in folders.items()}
    return Section("Environment", tables=(("What the result depends on besides the settings.", side_by_side("Part", values)),))


def side_by_side(head: str, values: Mapping[str, Mapping[str, str]]) -> Table:
    """One column a run, the methods' own settings last, a dash where a run has no such value."""
    names = dict.fromkeys(key for run in values.values() for key in run)
    rows = tuple(
        (key, *(run.get(key, "–") for run in values.values())) for key in sorted(names, key=lambda name: name.startswith("settings."))
    )
    return Table((head, *values), rows, numeric=False)
