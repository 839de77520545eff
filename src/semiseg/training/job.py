"""One training before its first step: settings resolved, cases split, scans prepared, test cases closed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from semiseg.case import Case
from semiseg.config import Run
from semiseg.data.bank import Bank, pools
from semiseg.data.dataset import Dataset, Split
from semiseg.data.folds import fold_of
from semiseg.data.loader import Loader
from semiseg.data.prepare import Prepared, prepare
from semiseg.devices import channels_last
from semiseg.errors import DataError, SettingsError
from semiseg.evaluation.results import Provenance
from semiseg.inference.sliding_window import check_stride
from semiseg.training.door import seal
from semiseg.training.progress import StepProgress
from semiseg.training.protocol import looked_at
from semiseg.training.provenance import provenance


@dataclass(frozen=True, eq=False)
class Job:
    """What a training needs.

    Attributes:
        run: nothing in it is left open.
        split: closed but for the cases that the protocol looks at (see `sealed_split`).
        labeled, unlabeled: the prepared scans of training, partly labelled ones among both; none unlabelled where the method does not
            use them.
        source: where the scores of its last step will come from.
    """

    run: Run
    split: Split
    labeled: list[Prepared]
    unlabeled: list[Prepared]
    source: Provenance

    def watched(self) -> tuple[Case, ...]:
        """The cases that the protocol chooses weights by; none where the last step's are all there is."""
        part = looked_at(self.run, self.split.validation)
        return () if part is None else getattr(self.split, part)

    def loader(self, device: torch.device) -> Loader:
        """The batch of any step, on the device."""
        training = self.run.training
        return Loader(
            held(self.labeled, device),
            held(self.unlabeled, device) if self.unlabeled else None,
            training.patch,
            training.labeled_batch,
            training.unlabeled_batch if self.unlabeled else 0,
            self.run.augmentation,
            self.run.seed,
            channels_last(training.patch),
        )


def sealed_split(dataset: Dataset, run: Run) -> Split:
    """The run's split of its fold; every validation and test case is closed (see `door`) but those that its protocol looks at.

    Raises:
        DataError: no such fold, an impossible budget, or no labelled case to look at.
    """
    split = fold_of(dataset, run.data.fold).split(run.data.labeled, run.data.draw, run.selection.validation_cases)
    part = looked_at(run, split.validation)
    if part is not None and all(case.label is None for case in getattr(split, part)):
        raise DataError(f"{dataset.name}: no {part} case has a label to choose weights by. Use protocol: sealed, or selection.every: 0.")
    return replace(
        split,
        validation=split.validation if part == "validation" else seal(split.validation),
        test=split.test if part == "test" else seal(split.test),
    )


def refuse_untested(name: str, split: Split) -> None:
    """Raises DataError where no test case has a label, for what is to be judged by scores; looks whether there is one, and reads none."""
    if not any(object.__getattribute__(case, "label") is not None for case in split.test):
        raise DataError(
            f"{name}: no test case has a label, so there is nothing to score. Name labelled scans in test.list, or test on a part of the "
            "training scans with data.fold (--fold 1/5)."
        )


def refuse_odd_stride(run: Run) -> None:
    """Raises SettingsError where windows of `inference.stride` do not suit the patch, as far as both are known."""
    if run.training.patch and run.inference.stride:
        check_stride(run.training.patch, run.inference.stride)


def split_ids(split: Split) -> dict[str, list[str]]:
    """The split as case ids, for the run folder."""
    return {part: [case.id for case in getattr(split, part)] for part in ("labeled", "unlabeled", "validation", "test")}


def make_job(run: Run, dataset: Dataset, split: Split, show: bool = True, workers: int = 2) -> Job:
    """Prepare the scans of a run, which may take minutes the first time.

    Args:
        run: planned: nothing in it is left open.
        dataset: with the run's label map.
        split: of `sealed_split`.
        show: progress on stderr.
        workers: threads that read files.

    Raises:
        SemisegError: settings or data are not usable.
    """
    uses_unlabeled = learns_from_unlabeled(run, dataset, split)
    cases = [*split.labeled, *(split.unlabeled if uses_unlabeled else ())]
    with StepProgress("prepare", len(cases), show=show) as bar:
        prepared = prepare(
            cases, run.preparation, len(run.data.classes) + 1, workers=workers, progress=lambda done, total: bar.update(done)
        )
    labeled, unlabeled = pools(prepared)
    if uses_unlabeled and not unlabeled:
        raise nothing_unlabeled(run, dataset)
    return Job(run, split, labeled, unlabeled if uses_unlabeled else [], provenance(run, dataset, split))


def learns_from_unlabeled(asked: Run, dataset: Dataset, split: Split) -> bool:
    """Whether the method does.

    Raises:
        DataError: it does, and there are no unlabelled scans.
        SettingsError: it does, and no step would see one.
    """
    if not asked.wants_unlabeled:
        return False
    if not split.unlabeled and not any(case.partly_labeled for case in split.labeled):
        raise nothing_unlabeled(asked, dataset)
    if not asked.training.unlabeled_batch:
        raise SettingsError(
            f"training.unlabeled_batch is 0, and {asked.method} learns from unlabelled scans. Use method=supervised without them."
        )
    return True


def nothing_unlabeled(asked: Run, dataset: Dataset) -> DataError:
    """What is said where a method has nothing to learn from but labels."""
    return DataError(
        f"{dataset.name}: {asked.method} learns from unlabelled scans, and there are none. Add some, or use method=supervised."
    )


def held(prepared: list[Prepared], device: torch.device) -> Bank:
    """The scans on a CUDA device if they take less than a third of what is free there, else where they lie."""
    fits = device.type == "cuda" and Bank.size_in_bytes(prepared) < torch.cuda.mem_get_info(device)[0] / 3
    return Bank(prepared, device, resident=fits)
