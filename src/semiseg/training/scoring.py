"""Predicts and scores the test cases of a finished run: the first time that anybody opens them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from semiseg.case import Case
from semiseg.data.formats import files_of, write_label
from semiseg.errors import DataError
from semiseg.evaluation.evaluate import Evaluation, Pair, evaluate_readable
from semiseg.evaluation.partial import partial, reasons
from semiseg.evaluation.results import Provenance
from semiseg.inference.predictor import load
from semiseg.run_folder import RunFolder
from semiseg.training.door import unseal
from semiseg.training.fit import Engine
from semiseg.training.job import Job
from semiseg.training.limits import StopRequest
from semiseg.training.progress import StepProgress
from semiseg.training.protocol import looked_at, protocol_name

SELECTED = "-selected"
"""Ends the names of files that come from the weights of the best look."""
NAMED = 5
"""Unreadable cases that an error tells the reasons of."""
Progress = Callable[[int, int], None]
"""Called with (cases done, cases in all)."""


@dataclass(frozen=True)
class Scoring:
    """How the test cases of a run are to be scored.

    Attributes:
        folder: of the finished run.
        source: where the scores come from.
        device: auto, cpu, cuda or mps.
        stop: asked after each case.
        selected: with the weights of the best look: predictions-selected/, scores-selected.csv and scores-selected.json.
    """

    folder: RunFolder
    source: Provenance
    device: str
    stop: StopRequest
    selected: bool = False

    @property
    def suffix(self) -> str:
        return SELECTED if self.selected else ""

    def of(self, cases: Sequence[Case], progress: Progress | None = None) -> Evaluation | None:
        """Write predictions/<case>.nii.gz for each case, and scores.csv and scores.json of those that have a label; None if stopped before.

        Masks that are newer than the weights, the settings and the scan stay, so that the next call goes on where this one stopped.

        Raises:
            DataError: test cases are not readable, or their labels do not fit. The scores of all others are in scores-partial.csv and
                scores-partial.json, and the next call needs no more than these cases.
        """
        predictor = load(self.folder.path, self.device, selected=self.selected)
        masks: dict[str, Path] = {}
        unread: dict[str, str] = {}
        predicted = 0  # at least one, so that every call comes further
        for done, case in enumerate(cases, start=1):
            masks[case.id] = self.folder.path / f"predictions{self.suffix}" / f"{case.id}.nii.gz"
            if self.holds(masks[case.id], case):
                continue
            if predicted and self.stop.reason() is not None:
                return None
            predicted += 1
            try:
                prediction = predictor.predict(case.images, case.spacing)
                write_label(masks[case.id], prediction.labels, prediction.geometry)
            except DataError as error:
                unread[case.id] = str(error)
            if progress is not None:
                progress(done, len(cases))
        pairs = [
            Pair(case.id, masks[case.id], case.label, case.spacing, case.label_map, case.labeled_part, case.group)
            for case in cases
            if case.label is not None and case.id not in unread
        ]
        found, unfit = evaluate_readable(pairs, predictor.run.data.classes) if pairs else (None, {})
        return self.kept(found, unread | unfit, len(cases))

    def holds(self, mask: Path, case: Case) -> bool:
        """Whether the mask was made of the weights, the settings and the scan that are there now."""
        weights = self.folder.selected_weights if self.selected else self.folder.weights
        behind = [weights, self.folder.path / "run.yaml", *(file for image in case.images for file in files_of(image))]
        return mask.is_file() and all(file.is_file() and file.stat().st_mtime_ns < mask.stat().st_mtime_ns for file in behind)

    def kept(self, found: Evaluation | None, failed: dict[str, str], count: int) -> Evaluation:
        """Write the scores; raises DataError where some are missing."""
        evaluation = None if found is None else replace(found, provenance=self.source)
        table, whole = (self.folder.path / f"scores{self.suffix}.{ending}" for ending in ("csv", "json"))
        if not failed and evaluation is not None:
            evaluation.to_csv(table)
            evaluation.to_json(whole)  # says that all is there
            for path in (table, whole):
                partial(path).unlink(missing_ok=True)
            return evaluation
        others = ""
        if evaluation is not None:
            evaluation.to_csv(partial(table))
            evaluation.to_json(partial(whole))
            others = f" The scores of the other {len(evaluation.cases)} are in {partial(table).name}."
        raise DataError(
            "\n".join(
                [
                    f"{self.folder.path}: the training is done and its weights are kept, but {len(failed)} of {count} test cases could not "
                    f"be scored.{others}",
                    *reasons(failed, NAMED),
                    f"Mend the files, then: semiseg train --resume {self.folder.path}",
                ]
            )
        )


@dataclass(frozen=True)
class Scores:
    """Of the test cases that have labels, if any: with the weights of the last step, and with those of the best look where there is one."""

    last: Evaluation | None = None
    selected: Evaluation | None = None


def score_test_cases(job: Job, folder: RunFolder, engine: Engine, chosen: bool) -> Scores | None:
    """Open the test cases, predict and score them; also with the weights that looks have `chosen`. None where it was stopped before.

    Raises:
        DataError: as `Scoring.of`.
    """
    tested = [case for case in unseal(job.split.test, folder) if case.label is not None]
    if not tested:
        return Scores()
    found: list[Evaluation] = []
    with engine.stop:
        for selected_on in (looked_at(job.run, job.split.validation), None) if chosen else (None,):
            source = replace(job.source, protocol=protocol_name(job.run, selected_on))
            scoring = Scoring(folder, source, engine.device.type, engine.stop, selected_on is not None)
            with StepProgress("test", len(tested), show=engine.show) as bar:
                scores = scoring.of(tested, lambda done, total, bar=bar: bar.update(done))  # type: ignore[misc]
            if scores is None:
                engine.say_stopped("while the test cases were predicted", folder.path)
                return None
            found.append(scores)
    return Scores(found[-1], found[0] if chosen else None)
