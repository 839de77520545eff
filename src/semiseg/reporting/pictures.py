"""Pictures of test scans: the worst and the median one with label, predictions, and where a method's views disagree."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from semiseg.case import Array, Case
from semiseg.data.formats import read_image, read_label
from semiseg.data.labels import read_classes
from semiseg.errors import SemisegError
from semiseg.evaluation.results import Evaluation
from semiseg.inference.predictor import Predictor, load
from semiseg.methods import Method, find_method
from semiseg.reporting.figures import Example, slices_figure
from semiseg.reporting.html import Picture, Section
from semiseg.reporting.tiles import tiles_figure
from semiseg.run_folder import RunFolder

Finished = Mapping[str, tuple[RunFolder, Evaluation]]
"""Run folder and test scores by the name of the method, the control first."""
Look = Callable[[RunFolder, Case], tuple[str, Array]]
"""What a run is unsure of in a scan: a title, and a map (*S) in 0..1."""
ROW = 3
"""Predictions that stand in one row with the scan, its label and a map; with more, a picture shows one slice in several rows."""
DISAGREE = "views disagree"
WORST = ("Worst", "Second worst")


def case_dice(evaluation: Evaluation) -> dict[str, float]:
    """Mean Dice over the classes of each case; a class that is in neither label map is no part of it."""
    values = {case.id: [score.dice for score in case.classes if not math.isnan(score.dice)] for case in evaluation.cases}
    return {case: fmean(dices) for case, dices in values.items() if dices}


def ranked(runs: Finished) -> list[str]:
    """Case ids from the worst to the best, by the mean Dice over all methods, so that no method chooses the pictures."""
    dices = [case_dice(evaluation) for _, evaluation in runs.values()]
    scored_by_all = set.intersection(*(set(dice) for dice in dices))
    return sorted(scored_by_all, key=lambda case: (fmean(dice[case] for dice in dices), case))


class Disagreement:
    """Predicts again with the weights of a run, to see where its views disagree; other methods say where they are unsure.

    Args:
        device: auto, cpu, cuda or mps.
    """

    def __init__(self, device: str = "auto") -> None:
        self.device = device
        self.predictors: dict[RunFolder, Predictor] = {}

    def __call__(self, folder: RunFolder, case: Case) -> tuple[str, Array]:
        """Title and map (*S).

        Raises:
            SemisegError: the run has no weights, or the scan cannot be read.
        """
        if folder not in self.predictors:
            self.predictors[folder] = load(folder.path, self.device)
        found = self.predictors[folder].predict(case.images, case.spacing, maps=True).uncertainty
        assert found is not None
        return DISAGREE if has_views(folder) else "unsure", found


def pictures(runs: Finished, test: Sequence[Case], look: Look | None = None, title: str = "Pictures") -> Section:
    """The median scan and the worst ones.

    Args:
        runs: the first training of each method.
        test: the scored cases.
        look: what to ask of the last of `runs` that has two views, or of the last; None: nothing.
        title: of the section.
    """
    order = ranked(runs)
    if not order:
        return Section(title, "No test scan has a class that was labelled or found.")
    chosen = {order[(len(order) - 1) // 2]: "Median"}
    for case, kind in zip(order, WORST, strict=False):
        chosen.setdefault(case, kind)
    cases = {case.id: case for case in test}
    said, shown = "", []
    for case, kind in chosen.items():
        found, problem = looked(runs, cases[case], look)
        shown.append(picture(kind, cases[case], runs, found))
        said = said or problem
    text = "Scans are chosen by the mean Dice over all methods; of several trainings of a method the first is shown. "
    return Section(title, text + said, (), tuple(shown))


def looked(runs: Finished, case: Case, look: Look | None) -> tuple[dict[str, Array], str]:
    """The map of one run under its title, and a sentence on it or on why there is none."""
    if look is None:
        return {}, "Maps of where a method is unsure: `semiseg report` on these runs makes them."
    name, (folder, _) = next((run for run in list(runs.items())[::-1] if has_views(run[1][0])), list(runs.items())[-1])
    try:
        title, found = look(folder, case)
    except SemisegError as error:
        return {}, f"No map of where {name} is unsure: {error}"
    meaning = "how far the foreground probabilities of its two views lie apart" if title == DISAGREE else "1 less its highest probability"
    return {f"{name}: {title}": found}, f"The last column is made anew with the weights of {name}: {meaning}, black 0, bright 1."


def has_views(folder: RunFolder) -> bool:
    """Whether a run's method has several views that may disagree."""
    return find_method(folder.run().method).predict_views is not Method.predict_views


def picture(kind: str, case: Case, runs: Finished, maps: Mapping[str, Array] | None = None) -> Picture:
    """One case as a picture."""
    example = read_example(case, runs, maps)
    classes = next(iter(runs.values()))[1].classes
    said = "; ".join(f"{name}: {remark}" for name, remark in example.remarks.items())
    besides = f", and {' and '.join(example.maps)}" if example.maps else ""
    drawn = f"the scan, its label, and the predictions of {' and '.join(runs)} with the label's outline{besides}"
    alt = f"Slices of scan {case.id} in columns: {drawn}. {said}."
    draw = slices_figure if len(runs) <= ROW else tiles_figure
    return Picture(draw(example, classes), alt, f"{kind} case, {case.id}. {said}.")


def read_example(case: Case, runs: Finished, maps: Mapping[str, Array] | None = None) -> Example:
    """A test case with its label and what each run predicted for it; of several modalities the first."""
    if case.label is None:
        raise ValueError(f"{case.id} has no label to show")
    image, geometry = read_image(case.images[0])
    spacing = case.spacing or geometry.spacing(image.ndim)
    predictions = {name: read_label(folder.predictions / f"{case.id}.nii.gz")[0] for name, (folder, _) in runs.items()}
    remarks = {name: f"Dice {case_dice(evaluation)[case.id]:.2f}" for name, (_, evaluation) in runs.items()}
    return Example(case.id, image, read_classes(case.label, case.label_map), predictions, spacing, remarks, maps=maps or {})
