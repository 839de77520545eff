"""Scores pairs of label maps, from files or from arrays, one case at a time or several at once."""

from __future__ import annotations

import math
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import overload

import numpy as np

from semiseg.case import IGNORE, Array, Case, Geometry, Source, file_of
from semiseg.data.dataset import find_classes
from semiseg.data.formats import read_label
from semiseg.data.labels import classes_of, read_classes, renumbered, way_out
from semiseg.errors import DataError
from semiseg.evaluation.metrics import ClassScore, scores
from semiseg.evaluation.pairs import Pair, match_pairs
from semiseg.evaluation.results import CaseScore, Evaluation

__all__ = ["Evaluation", "Pair", "evaluate", "evaluate_readable", "found_classes", "match_pairs"]

AFFINE_TOLERANCE = 1e-3
"""mm. Writers that keep float32 round an offset of 500 mm by up to 3e-5; nothing that small may count as another place."""

Progress = Callable[[int, int], None]
"""Called with (cases done, cases in all)."""


@overload
def evaluate(
    predictions: Path | str, references: Path | str, classes: Sequence[str] = (), *, workers: int = 1, progress: Progress | None = None
) -> Evaluation: ...


@overload
def evaluate(pairs: Iterable[Pair], /, classes: Sequence[str], *, workers: int = 1, progress: Progress | None = None) -> Evaluation: ...


def evaluate(  # type: ignore[misc]  # the second argument is the references of folders, or the classes of pairs
    predictions: Path | str | Iterable[Pair],
    references: Path | str | Sequence[str] = (),
    classes: Sequence[str] = (),
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> Evaluation:
    """Scores of every case and foreground class: of two folders, or of pairs.

    `evaluate("masks/", "labels/")` scores the files of two folders, matched by name, or two single files; `evaluate(pairs, classes)` scores
    what was paired by hand, or by `match_pairs` and then given a spacing or a label map. Voxels that nobody labelled in a reference are
    left out on both sides.

    Args:
        predictions: folder of label maps, or one; or pairs.
        references: folder of label maps that are taken for true, or one. With pairs, the classes stand here.
        classes: names of the foreground classes; label i + 1 is `classes[i]`. Of two folders, by default `class_1`, ... as the references
            hold.
        workers: cases scored at once. More than one starts fresh processes, which takes seconds and pays for many or large cases;
            a script that asks for it must be guarded by `if __name__ == "__main__":`.
        progress: called after each case.

    Raises:
        DataError: there is nothing to score, files cannot be matched, two cases have one id, a file cannot be read, or the two label maps
            of a case differ in shape or place or hold values outside the classes, or nothing of a reference is labelled.
    """
    pairs, names = _asked(predictions, references, classes)
    cases = []
    for found in _score_all(_checked(pairs, names), names, workers, progress):
        if isinstance(found, DataError):
            raise found
        cases.append(found)
    return Evaluation(names, tuple(cases))


def _asked(
    predictions: Path | str | Iterable[Pair], references: Path | str | Sequence[str], classes: Sequence[str]
) -> tuple[Iterable[Pair], tuple[str, ...]]:
    """The pairs and the classes that `evaluate` is asked for."""
    if isinstance(predictions, Path | str):
        if not isinstance(references, Path | str):
            raise DataError(f"{predictions}: no references to score it against. Give two folders or two files, then the classes")
        pairs = match_pairs(predictions, references)
        return pairs, tuple(classes) or found_classes(pairs)
    if isinstance(references, Path | str):
        raise DataError(f"{references!r} stands where the classes of the pairs belong. Give a list of names")
    return predictions, tuple(references or classes)


def found_classes(pairs: Iterable[Pair]) -> tuple[str, ...]:
    """`class_1`, ... for as many classes as those references hold that can be read.

    Raises:
        DataError: none can be read, or their values are not 0, 1, 2, ... without a gap.
    """
    todo = list(pairs)
    try:
        return find_classes(map(_labeled, todo))
    except DataError:
        readable = [pair for pair in todo if _readable(pair)]
        if len(readable) in (0, len(todo)):
            raise
        return find_classes(map(_labeled, readable))


def _labeled(pair: Pair) -> Case:
    return Case(pair.id, (), pair.reference, label_map=pair.label_map, labeled_part=pair.labeled_part)


def _readable(pair: Pair) -> bool:
    try:
        read_classes(pair.reference, pair.label_map, pair.labeled_part)
    except DataError:
        return False
    return True


def evaluate_readable(
    pairs: Iterable[Pair], classes: Sequence[str], workers: int = 1, progress: Progress | None = None
) -> tuple[Evaluation | None, dict[str, str]]:
    """As `evaluate` of pairs, but a case that cannot be scored does not stop the others.

    Returns:
        The scores of the other cases, None where there are none; and what is wrong with each case that could not be scored, by its id.

    Raises:
        DataError: there is nothing to score, two cases have one id, or no class is named.
    """
    todo = _checked(pairs, classes)
    found = list(_score_all(todo, tuple(classes), workers, progress))
    cases = tuple(case for case in found if isinstance(case, CaseScore))
    failed = {pair.id: str(error) for pair, error in zip(todo, found, strict=True) if isinstance(error, DataError)}
    return Evaluation(tuple(classes), cases) if cases else None, failed


def _checked(pairs: Iterable[Pair], classes: Sequence[str]) -> list[Pair]:
    """The pairs, if there is something to score."""
    todo = list(pairs)
    if not todo:
        raise DataError("no case to score")
    name, times = Counter(pair.id for pair in todo).most_common(1)[0]
    if times > 1:
        raise DataError(f"{times} cases are called {name}. Give each case its own id")
    if not classes:
        raise DataError("no class to score. Name at least one foreground class")
    return todo


def _score_all(pairs: list[Pair], classes: tuple[str, ...], workers: int, progress: Progress | None) -> Iterator[CaseScore | DataError]:
    """The scores of each pair, or why there are none, in the order of `pairs`."""
    with ExitStack() as stack:
        score: Iterator[CaseScore | DataError]
        if workers <= 1 or len(pairs) == 1:
            score = (_tried(pair, classes) for pair in pairs)
        else:
            # Fresh processes: forking one that runs threads (torch does) can lock up.
            context = multiprocessing.get_context("spawn")
            pool = ProcessPoolExecutor(min(workers, len(pairs)), context)
            stack.callback(pool.shutdown, cancel_futures=True)
            score = pool.map(partial(_tried, classes=classes), pairs)
        for done, found in enumerate(score, start=1):
            if progress is not None:
                progress(done, len(pairs))
            yield found


def _tried(pair: Pair, classes: tuple[str, ...]) -> CaseScore | DataError:
    """The scores of one case, or why there are none."""
    try:
        return score_pair(pair, classes)
    except DataError as error:
        return error
    except OSError as error:
        return DataError(f"{error.filename or pair.id}: cannot be read ({error.strerror or error})")


def score_pair(pair: Pair, classes: tuple[str, ...]) -> CaseScore:
    """The scores of one case; raises `DataError` as `evaluate` does."""
    reference, geometry = read_label(pair.reference)
    reference_name = _name(pair.reference, pair.id, "reference")
    reference = classes_of(reference, pair.label_map, pair.labeled_part, reference_name)
    _check_values(reference[reference != IGNORE], reference_name, classes)
    if (reference == IGNORE).all():
        raise DataError(f"{reference_name}: no voxel is labelled, so there is nothing to score. Leave the case out")
    if pair.prediction is None:
        spacing = _spacing(pair, reference, geometry)
        return CaseScore(pair.id, tuple(map(_missing, scores(np.zeros_like(reference), reference, classes, spacing))), pair.group)
    prediction, prediction_geometry = read_label(pair.prediction)
    prediction_name = _name(pair.prediction, pair.id, "prediction")
    prediction = renumbered(prediction, pair.prediction_label_map)
    _check_values(prediction, prediction_name, classes, "--prediction-label-map")
    _check_shapes(prediction, prediction_name, reference, reference_name)
    _check_affines(prediction_geometry, prediction_name, geometry, reference_name)
    spacing = _spacing(pair, reference, geometry)
    return CaseScore(pair.id, tuple(scores(prediction, reference, classes, spacing)), pair.group)


def _missing(score: ClassScore) -> ClassScore:
    """A file that is not there scores as an empty mask, and says so."""
    return replace(score, status="missing prediction")


def _name(source: Source, case: str, role: str) -> str:
    return f"{role} of {case}" if file_of(source) is None else str(source)


def _spacing(pair: Pair, labels: Array, reference: Geometry) -> tuple[float, ...] | None:
    """The pair's own spacing, else the reference's, else none. Not the prediction's: one made from a scan without geometry says 1 mm."""
    if pair.spacing is None:
        return reference.spacing(labels.ndim) if reference.known else None
    if len(pair.spacing) != labels.ndim or not all(0 < s < math.inf for s in pair.spacing):
        raise DataError(f"{pair.id}: spacing is {pair.spacing}; expected {labels.ndim} positive numbers of mm")
    return pair.spacing


def _check_values(labels: Array, name: str, classes: tuple[str, ...], option: str = "--label-map") -> None:
    if not labels.size or (labels.min() >= 0 and labels.max() <= len(classes)):
        return
    values = np.unique(labels)[:10].tolist()
    found = ", ".join(map(str, values))
    raise DataError(
        f"{name}: label has values {{{found}}}; expected 0..{len(classes)} (0 background, then {', '.join(classes)}). "
        f"{way_out(values, len(classes) + 1, option)}, or name every class"
    )


def _check_shapes(prediction: Array, prediction_name: str, reference: Array, reference_name: str) -> None:
    if prediction.shape != reference.shape:
        raise DataError(
            f"{prediction_name} has shape {prediction.shape}, but {reference_name} has {reference.shape}. "
            "Resample the prediction to the reference's grid"
        )


def _check_affines(prediction: Geometry, prediction_name: str, reference: Geometry, reference_name: str) -> None:
    if not (prediction.known and reference.known):
        return
    off = float(np.abs(prediction.affine - reference.affine).max())
    if not off <= AFFINE_TOLERANCE:
        raise DataError(
            f"{prediction_name} and {reference_name} lie in different places: their affines differ by up to {off:.3g} "
            f"(allowed {AFFINE_TOLERANCE:g}). Resample the prediction to the reference's grid"
        )
