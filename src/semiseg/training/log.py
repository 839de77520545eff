"""The training log: scalars stay on the device for a window of steps, then go to log.csv and TensorBoard together."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from semiseg.run_folder import RunFolder, replacing

Row = dict[str, Any]


class Log:
    """Means over windows of steps. Reading a number makes an accelerator wait, so it is done once a window.

    Args:
        folder: where log.csv and tensorboard/ are.
        start: steps done already; later rows of an earlier sitting are dropped.
        write: False only computes the means, in all processes but the first.
    """

    def __init__(self, folder: RunFolder, start: int = 0, write: bool = True) -> None:
        self.path, self.write = folder.log, write
        self.rows: list[Row] = [row for row in read_log(folder) if int(row["step"]) <= start]
        self.columns = list(dict.fromkeys(key for row in self.rows for key in row if row[key] != ""))
        self.window: list[dict[str, Tensor]] = []
        self.board = tensorboard(folder, start) if write else None
        if write:
            self._rewrite()

    def add(self, scalars: Mapping[str, Tensor]) -> None:
        """Keep one step's scalars, on their device."""
        self.window.append({name: value.detach() for name, value in scalars.items()})

    def flush(self, step: int, **facts: Any) -> dict[str, float]:
        """Write one row for the window that ends with `step` steps done, and return its means."""
        if not self.window:
            return {}
        means = window_means(self.window)
        self.window.clear()
        if self.write:
            self._append({"step": step, **facts, **{name: f"{value:.6g}" for name, value in means.items()}})
        if self.board is not None:
            for name, value in means.items():
                self.board.add_scalar(name, value, step)
        return means

    def close(self) -> None:
        if self.board is not None:
            self.board.close()

    def _append(self, row: Row) -> None:
        self.rows.append(row)
        if set(row) - set(self.columns):
            self.columns = list(dict.fromkeys([*self.columns, *row]))
            self._rewrite()
        else:
            with self.path.open("a", newline="") as file:
                csv.DictWriter(file, self.columns, restval="").writerow(row)

    def _rewrite(self) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns, restval="")
        writer.writeheader()
        writer.writerows({key: row.get(key, "") for key in self.columns} for row in self.rows)
        with replacing(self.path) as temporary:
            temporary.write_text(text.getvalue(), encoding="utf-8")


def window_means(window: list[dict[str, Tensor]]) -> dict[str, float]:
    """The mean of each scalar over the steps that have it, fetched from the device at once."""
    names = list(dict.fromkeys(name for scalars in window for name in scalars))
    means = [torch.stack([scalars[name].float() for scalars in window if name in scalars]).mean() for name in names]
    return dict(zip(names, torch.stack(means).tolist(), strict=True))


def read_log(folder: RunFolder) -> list[Row]:
    """The rows of log.csv, values as text; a half-written last row (after a kill) is left out."""
    if not folder.log.is_file():
        return []
    with folder.log.open(newline="") as file:
        return [row for row in csv.DictReader(file) if (row.get("step") or "").isdigit() and None not in row.values()]


def tensorboard(folder: RunFolder, start: int) -> Any:
    """A TensorBoard writer, if the extra is installed."""
    if find_spec("tensorboardX") is None:
        return None
    from tensorboardX import SummaryWriter

    return SummaryWriter(str(folder.path / "tensorboard"), purge_step=start + 1 if start else None, flush_secs=60)
