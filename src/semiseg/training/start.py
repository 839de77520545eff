"""The beginning of a training: data opened and looked over, cases split, and everything that the run leaves open planned."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from semiseg.config import make_run
from semiseg.data.check import check_headers
from semiseg.data.dataset import Dataset, Split
from semiseg.data.folder import open_folder
from semiseg.data.prepare import MOST_FAULTS
from semiseg.planning.fingerprint import fingerprint
from semiseg.planning.machine import Machine, this_machine
from semiseg.planning.plan import Plan, dataset_layer, make_plan, method_layer
from semiseg.planning.show import in_brief
from semiseg.training.job import learns_from_unlabeled, refuse_odd_stride, sealed_split
from semiseg.training.progress import say


@dataclass(frozen=True, eq=False)
class Start:
    """What a training starts from. `split`: of `sealed_split`."""

    dataset: Dataset
    split: Split
    plan: Plan

    def free_folder(self, parent: Path = Path("runs")) -> Path:
        """`parent/DATA-METHOD`, with a number behind it where that is taken."""
        source = self.plan.run.data.folder
        data = self.dataset.name if source is None else source.with_suffix("").name if source.is_file() else source.name
        name = f"{data}-{self.plan.run.method.rpartition(':')[2]}"  # of `module:Class`, the class
        names = itertools.chain([name], (f"{name}-{k}" for k in itertools.count(2)))
        return next(parent / free for free in names if not (parent / free).exists())


def start(
    data: Path | str | Dataset,
    layers: Sequence[Mapping[str, Any]],
    device: torch.device,
    show: bool = True,
    machine: Machine | None = None,
) -> Start:
    """Open the data, check the headers of the training scans, and plan.

    Args:
        data: a folder (see `open_folder`), or a data set, which may hold arrays.
        layers: settings, later ones winning; what they leave open is planned.
        device: to train on.
        show: say on stderr what was found and what was decided.
        machine: to plan for; by default this one.

    Raises:
        SemisegError: settings or data are not usable.
    """
    dataset = data if isinstance(data, Dataset) else open_folder(Path(data))
    given = (dataset_layer(dataset, None if isinstance(data, Dataset) else str(Path(data).resolve())), *layers)
    asked = make_run(*given)
    dataset = dataset.relabeled(asked.data.label_map)
    if show:
        say(dataset.summary())
    chosen = method_layer(given, sealed_split(dataset, asked))
    asked = make_run(chosen, *given)
    split = sealed_split(dataset, asked)
    learns_from_unlabeled(asked, dataset, split)
    check_headers([*split.labeled, *split.unlabeled], MOST_FAULTS)
    machine = machine or this_machine(device)
    found = fingerprint(split, asked.data.classes or split.named, machine.cores)
    plan = make_plan(asked, dataset, found, machine, method_named=any("method" in layer for layer in given))
    refuse_odd_stride(plan.run)
    if show and plan.own:
        for line in in_brief(plan):
            say(line)
    return Start(dataset, split, plan)
