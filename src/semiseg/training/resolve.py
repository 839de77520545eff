"""Fills in what a run leaves open, from the data set: modalities, classes, patch, and how a 2D model cuts a 3D scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from semiseg.config import Run, validated
from semiseg.data.dataset import Dataset, Split
from semiseg.errors import SettingsError
from semiseg.networks.encoder_decoder import DIVISOR

LARGEST_PATCH = {2: 256, 3: 112}
"""Voxels a side of a chosen patch at most: the published sizes of ACDC and LA."""


def dataset_layer(dataset: Dataset, folder: str | None) -> dict[str, Any]:
    """What a data set says of a run before anybody else does."""
    return {"data": {"folder": folder}, "preparation": dataset.preparation.model_dump()}


def resolved(run: Run, dataset: Dataset, split: Split, classes: tuple[str, ...], shapes: Sequence[tuple[int, ...]]) -> Run:
    """The run with nothing left open; what was set stays. `shapes`: of the prepared scans, may be empty for all but the patch."""
    values = run.model_dump()
    values["data"] |= {"classes": classes, "channels": run.data.channels or len(split.labeled[0].images)}
    dimensions = len(run.training.patch) or (2 if run.preparation.slice_axis is not None else dataset.dimensions)
    if dimensions == 2 and dataset.dimensions == 3 and run.preparation.slice_axis is None:
        values["preparation"]["slice_axis"] = 2  # NIfTI's third axis: that of the slices in most acquisitions
    if not run.training.patch and shapes:
        values["training"]["patch"] = choose_patch(shapes)
    refuse_single_voxel(tuple(values["training"]["patch"]))
    return validated(values)


def refuse_single_voxel(patch: tuple[int, ...]) -> None:
    """Batch statistics over one voxel are none; a method that halves its batch may have only one patch left.

    Raises:
        SettingsError: the network would see the whole patch as one voxel at its bottleneck.
    """
    if patch and all(side <= DIVISOR for side in patch):
        raise SettingsError(f"training.patch {patch}: shrinks to one voxel in the network; give at least one side {2 * DIVISOR} voxels.")


def choose_patch(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The median scan, each side rounded down to what the network divides evenly; at least one such unit, and two along one side."""
    largest = LARGEST_PATCH[len(shapes[0])]
    sides = np.minimum(np.median(np.array(shapes), axis=0).astype(int), largest)
    patch = [int(max(side // DIVISOR, 1) * DIVISOR) for side in sides]
    if max(patch) == DIVISOR:
        patch[int(np.argmax(sides))] = 2 * DIVISOR
    return tuple(patch)
