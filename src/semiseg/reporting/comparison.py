"""The report of one run, or of several that learned the same task from the same labels: scores, pictures, settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from semiseg.case import Case
from semiseg.config import Run
from semiseg.data.formats import read_image, read_label
from semiseg.evaluation.results import MEAN, Evaluation
from semiseg.methods import find_method
from semiseg.reporting.figures import Example, loss_curves, slices_figure
from semiseg.reporting.html import Picture, Report, Section
from semiseg.reporting.tables import Table, score_table
from semiseg.run_folder import RunFolder

PROTOCOL = "Sealed protocol: the test scans were opened after training was finished, and the model is that of the last step."
Finished = Mapping[str, tuple[RunFolder, Evaluation]]
"""Run folder and test scores by the name of the method, the control first."""


def compare(title: str, runs: Finished, test: Sequence[Case]) -> Report:
    """The page on finished runs.

    Args:
        title: of the page.
        runs: one or more; all scored on the same cases.
        test: the scored cases, whose scans and labels are shown.
    """
    evaluations = {name: evaluation for name, (_, evaluation) in runs.items()}
    folders = {name: folder for name, (folder, _) in runs.items()}
    shown = score_table(evaluations)
    count = len(next(iter(evaluations.values())).cases)
    scores = Section("Scores", HOW_TO_READ, ((f"Mean ± standard deviation over {count} test scans.", shown),))
    parts = (scores, pictures(runs, test), course(folders), settings(folders), environment(folders))
    return Report(title, summary(runs), PROTOCOL, parts)


HOW_TO_READ = (
    "Dice and Jaccard: 1 is perfect. HD95 and ASD: 95th percentile and mean of the distances between the surfaces, 0 is perfect. "
    "Failures: scans where a class was missed altogether or found where there is none; "
    "they count in Dice and Jaccard and have no distance to average, so that some averages are over fewer scans (n)."
)


def summary(runs: Finished) -> str:
    """What came out, in one sentence that claims no more than one training of each method can show."""
    means = {name: evaluation.summary()[MEAN]["dice"].mean for name, (_, evaluation) in runs.items()}
    (first, (folder, _)), *_ = runs.items()
    split = folder.read_json("split.json")
    labels = f"{len(split['labeled'])} labelled scans"
    if len(runs) == 1:
        others = f" and {len(split['unlabeled'])} unlabelled ones" if uses_unlabeled(folder.run()) else ""
        return f"{first}, trained on {labels}{others}, reached a mean Dice of {means[first]:.3f} on {len(split['test'])} test scans."
    last = list(runs)[-1]
    better, all_cases = wins(runs[last][1], runs[first][1])
    return (
        f"On {len(split['test'])} test scans, {last} reached a mean Dice of {means[last]:.3f} and {first} {means[first]:.3f} "
        f"(difference {means[last] - means[first]:+.3f}, better in {better} of {all_cases} scans) with the same {labels}, {last} with "
        f"{len(split['unlabeled'])} unlabelled scans besides; this is one training of each, and other seeds give other differences."
    )


def uses_unlabeled(run: Run) -> bool:
    """Whether a run learned from unlabelled scans."""
    return find_method(run.method).uses_unlabeled and run.training.unlabeled_batch > 0


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
        "Pictures", "Cases are chosen by the mean Dice over all methods. Each row is the slice that shows most of the label.", (), shown
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
    return Example(case.id, image, read_label(case.label)[0], predictions, spacing, remarks)


def course(folders: Mapping[str, RunFolder]) -> Section:
    """How the losses fell, and what the training took."""
    logs = {name: folder.log for name, folder in folders.items()}
    alt = f"Curves of the training loss over the steps: {', '.join(folders)}."
    caption = "Sum of the losses; methods add up different terms. A dashed line is the end of a stage."
    curves = Picture(loss_curves(logs), alt, caption, dark=loss_curves(logs, dark=True))
    costs = {name: folder.read_json("cost.json") for name, folder in folders.items()}
    rows = [
        (name, c["device"], f"{c['seconds']:.0f}", f"{c['seconds_per_step']:.3f}", f"{c['peak_memory_mb']:.0f}")
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


def flat(values: Mapping[str, object], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as (dotted name, text)."""
    pairs: list[tuple[str, str]] = []
    for key, value in values.items():
        pairs += flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [(prefix + key, text(value))]
    return pairs


def text(value: object) -> str:
    """A setting as people write it."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    if isinstance(value, float):
        return f"{value:g}"
    return "–" if value is None else str(value)
