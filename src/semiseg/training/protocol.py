"""Which cases a protocol looks at during training to choose weights by, and what the score files call that."""

from __future__ import annotations

from collections.abc import Sized
from typing import Literal

from semiseg.config import Run

Part = Literal["validation", "test"]


def looked_at(run: Run, validation: Sized) -> Part | None:
    """The part of the split that is looked at during training; None where the last step's weights are all there is.

    Sealed: the validation cases that were taken out of the labelled budget. Paper: the validation cases that the data set was published
    with, and where there are none (LA), the test cases.

    Args:
        run: of the training.
        validation: the validation cases of its split.
    """
    if not run.selection.every or (run.protocol == "sealed" and not run.selection.validation_cases):
        return None
    return "validation" if len(validation) else "test"


def protocol_name(run: Run, part: Part | None = None) -> str:
    """What score files and tables say, such as "sealed, last step" or "paper: selected on test, fold 2/5".

    Args:
        run: of the training.
        part: by which the scored weights were chosen; None for those of the last step.
    """
    how = "last step" if part is None else f"selected on {part}"
    mark = ":" if run.protocol == "paper" else ","
    return f"{run.protocol}{mark} {how}" + (f", fold {run.data.fold}" if run.data.fold else "")
