"""Predicts and scores the test cases of a finished run: the first time that anybody opens them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from semiseg.case import Case
from semiseg.data.formats import write_label
from semiseg.evaluation.evaluate import Evaluation, Pair, evaluate
from semiseg.evaluation.results import Provenance
from semiseg.inference.predictor import load
from semiseg.run_folder import RunFolder

SELECTED = "-selected"
"""Ends the names of files that come from the weights of the best look."""
Progress = Callable[[int, int], None]
"""Called with (cases done, cases in all)."""


def score_test_cases(
    folder: RunFolder,
    cases: Sequence[Case],
    source: Provenance,
    device: str = "auto",
    progress: Progress | None = None,
    selected: bool = False,
) -> Evaluation:
    """Write predictions/<case>.nii.gz for each case, and scores.csv and scores.json of those that have a label, with their provenance.

    With `selected`, those of the weights of the best look: predictions-selected/, scores-selected.csv and scores-selected.json.

    Raises:
        DataError: a test case is not readable, or its label does not fit.
    """
    predictor, suffix = load(folder.path, device, selected=selected), SELECTED if selected else ""
    pairs: list[Pair] = []
    for case in cases:
        mask = folder.path / f"predictions{suffix}" / f"{case.id}.nii.gz"
        prediction = predictor.predict(case.images, case.spacing)
        write_label(mask, prediction.labels, prediction.geometry)
        if case.label is not None:
            pairs.append(Pair(case.id, mask, case.label, case.spacing, case.label_map, case.labeled_part, case.group))
        if progress is not None:
            progress(len(pairs), len(cases))
    evaluation = replace(evaluate(pairs, predictor.run.data.classes), provenance=source)
    evaluation.to_csv(folder.path / f"scores{suffix}.csv")
    evaluation.to_json(folder.path / f"scores{suffix}.json")
    return evaluation
