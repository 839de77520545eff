"""The real scans of the benchmark, as files for the plain way and as prepared arrays for semiseg's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from semiseg.config import make_run, read_layers
from semiseg.data.folder import open_folder
from semiseg.data.loader import Loader
from semiseg.training.job import Job, make_job, sealed_split

LA_SCANS, ACDC_SLICES, LABELED = 16, 200, 8
"""Of the training lists, from the first on; so many scans (patients) labelled. Enough to draw from, and soon prepared."""


def la_job(folder: Path, patch: tuple[int, ...], slots: int = 4, **over: Any) -> Job:
    """CML on LA with published settings, as the authors' code does it, but for the patch."""
    return _job(folder / "LA", "la", LA_SCANS, patch, slots, {"augmentation": {"symmetry": "in_plane_released"}, **over})


def acdc_job(folder: Path, patch: tuple[int, ...], slots: int = 12, **over: Any) -> Job:
    """CML on ACDC slices with published settings, as the authors' code does it, resized to the patch."""
    return _job(folder / "ACDC", "acdc", ACDC_SLICES, patch, slots, {"preparation": {"resize": patch}, **over})


def paths(job: Job) -> tuple[list[Path], list[Path]]:
    """Files of the labelled and of the unlabelled scans."""
    return tuple([Path(str(case.images[0])) for case in cases] for cases in (job.split.labeled, job.split.unlabeled))  # type: ignore[return-value]


def loader(job: Job, device: torch.device | str = "cpu") -> Loader:
    """Whose batches lie on the device."""
    return job.loader(torch.device(device))


def _job(folder: Path, config: str, scans: int, patch: tuple[int, ...], slots: int, over: dict[str, Any]) -> Job:
    dataset = open_folder(folder)
    dataset = replace(dataset, train=dataset.train[:scans])
    facts = {"data": {"channels": 1, "classes": dataset.classes, "labeled": LABELED if config == "la" else 4}}
    training = {"training": {"patch": patch, "labeled_batch": slots, "unlabeled_batch": slots}}
    run = make_run(read_layers(config), {"method": "cml", "settings": {"variant": "released"}}, facts, training, over)
    return make_job(run, dataset, sealed_split(dataset, run), show=False)
