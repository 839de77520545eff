"""One training of a grid: what it learns from, how, and where its run folder lies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semiseg.config import Run, combined, make_run, read_layers
from semiseg.run_folder import RunFolder
from semiseg.training.log import read_log


@dataclass(frozen=True)
class Training:
    """One cell of a grid.

    Attributes:
        data: name of the data set.
        folder: where it is.
        config: run file, or the name of a published one.
        method, variant, labeled, seed, draw, fold: where in the grid; `variant` is empty for the method as it is, `labeled` None for all.
        layers: nested settings, later ones winning.
    """

    data: str
    folder: Path | None
    config: str | None
    method: str
    variant: str
    labeled: int | None
    seed: int
    draw: int
    fold: str | None
    layers: tuple[Mapping[str, Any], ...]

    @property
    def label(self) -> str:
        """METHOD, or METHOD-VARIANT; of `module:Class`, the class."""
        return self.method.rpartition(":")[2] + (f"-{self.variant}" if self.variant else "")

    @property
    def name(self) -> str:
        """DATA/METHOD[-VARIANT]-LABELS-dDRAW-sSEED[-fK]: its folder below that of the results."""
        labels = "all" if self.labeled is None else self.labeled
        fold = f"-f{self.fold.partition('/')[0]}" if self.fold else ""
        return f"{plain(self.data)}/{plain(self.label)}-{labels}-d{self.draw}-s{self.seed}{fold}"

    def values(self) -> dict[str, Any]:
        """All settings as one layer."""
        return combined(read_layers(self.config), *self.layers)

    def run(self) -> Run:
        """The settings, checked, as far as they do not depend on the data.

        Raises:
            SettingsError: all that is wrong in them.
        """
        return make_run(self.values())


def plain(text: str) -> str:
    """Letters, digits and a few signs that every file system takes."""
    return re.sub(r"[^\w.+-]+", "_", text)


def finished(folder: RunFolder) -> bool:
    """Whether the test cases are scored, which comes last."""
    return (folder.path / "scores.json").is_file()


def steps_done(folder: RunFolder) -> tuple[int, float]:
    """(steps, seconds) as the log says, which is behind by less than a row."""
    rows = read_log(folder)
    return (int(rows[-1]["step"]), float(rows[-1]["seconds"])) if rows else (0, 0.0)
