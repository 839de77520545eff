"""Chooses network, patch and batch, so that a step fits the machine's memory and, on a CPU, a few seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from semiseg.errors import SettingsError
from semiseg.networks.encoder_decoder import DIVISOR
from semiseg.planning.cost import StepSize, step_memory, step_seconds
from semiseg.planning.draft import Draft
from semiseg.planning.grid import Grid
from semiseg.planning.machine import Machine

LARGEST_PATCH = {2: 512, 3: 128}
"""Voxels a side of a chosen patch at most: of nnU-Net's patches for slices of CT, and for 3D on one card (Isensee et al. 2021)."""
SMALLEST_PATCH = 2 * DIVISOR
"""Voxels a side to which a patch is made smaller to fit: below it the deepest level has one voxel a side."""
BATCHES = {2: (4, 8, 12), 3: (2, 4)}
"""Labelled patches a step, and as many unlabelled ones; published: 2 and 4 (LA), 12 (ACDC). Even, since CML and BCP mix pairs."""
WIDTH = {"cpu": 8}
"""On a CPU half the published width: three times faster, and enough for small structures (docs/benchmarks/hippocampus.md)."""
PUBLISHED_WIDTH = 16
MEMORY_SHARE = {"cuda": 0.6}
"""Of what is free there, for a step: the scans themselves may take a third of a card (see `training/job.py`)."""
OTHER_SHARE = 0.8
"""Elsewhere; the rest is for what a step's model leaves out: workspaces of convolutions, fragmentation, scans in memory."""
CPU_STEP_SECONDS = 3.0
"""So that 600 steps on a CPU take half an hour."""


def choose_size(draft: Draft, grid: Grid, machine: Machine) -> StepSize:
    """Decide kind, width, patch and batches. They are sized for CML whatever the method, so that all methods see the same patches."""
    kind = draft.decide("network.kind", *network_kind(grid))
    width = draft.decide("network.width", *network_width(machine))
    classes, channels = len(draft.get("data.classes")) + 1, draft.get("data.channels")
    first = StepSize(draft.asked.training.patch or natural_patch(grid.shape), 1, width, classes, channels, kind)
    batches = batches_allowed(draft, grid.dimensions)
    size = choose_patch(draft, grid, replace(first, batch=batches[0]), machine)
    return choose_batch(draft, size, batches, machine)


def network_kind(grid: Grid) -> tuple[str, str]:
    """The field's network, and why."""
    name, where = ("vnet", "LA and Pancreas-CT") if grid.dimensions == 3 else ("unet", "ACDC")
    return name, f"the field's network in {grid.dimensions}D ({where})"


def network_width(machine: Machine) -> tuple[int, str]:
    """Channels of the first level, and why."""
    if machine.device in WIDTH:
        return WIDTH[machine.device], f"half of the published {PUBLISHED_WIDTH}: three times faster, which a {machine.device} needs"
    return PUBLISHED_WIDTH, "as published"


def natural_patch(shape: Iterable[int]) -> tuple[int, ...]:
    """The median scan, each side rounded down to what the network divides evenly; at least one such unit, and two along one side."""
    shape = tuple(shape)
    sides = np.minimum(shape, LARGEST_PATCH[len(shape)])
    patch = [int(max(side // DIVISOR, 1) * DIVISOR) for side in sides]
    if max(patch) == DIVISOR:
        patch[int(np.argmax(sides))] = 2 * DIVISOR
    return tuple(patch)


def smaller_patches(patch: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """`patch`, then ever smaller ones, the longest side (the last of several) cut by one unit at a time."""
    while True:
        yield patch
        longest = len(patch) - 1 - int(np.argmax(patch[::-1]))
        if patch[longest] <= SMALLEST_PATCH:
            return
        patch = (*patch[:longest], patch[longest] - DIVISOR, *patch[longest + 1 :])


def batches_allowed(draft: Draft, dimensions: int) -> tuple[int, ...]:
    """Batches to choose from, smallest first; the larger of those that are set, where one is."""
    names = ("training.labeled_batch", "training.unlabeled_batch")
    given = max((int(draft.get(name)) for name in names if draft.is_set(name)), default=0)
    return (given,) if given else BATCHES[dimensions]


def choose_patch(draft: Draft, grid: Grid, size: StepSize, machine: Machine) -> StepSize:
    """Decide `training.patch`: the largest that fits with the smallest batch."""
    setting = "training.patch"
    if draft.is_set(setting):
        draft.keep(setting)
        refuse_single_voxel(size.patch)
        return size
    scan = " x ".join(map(str, grid.shape))
    reason = f"the median scan ({scan}) in multiples of {DIVISOR}"
    if any(side > LARGEST_PATCH[grid.dimensions] for side in grid.shape):
        reason += f", at most {LARGEST_PATCH[grid.dimensions]} a side"
    too_large: StepSize | None = None
    for patch in smaller_patches(size.patch):
        size = replace(size, patch=patch)
        if fits(size, machine):
            break
        too_large = size
    reason += "" if too_large is None else f"; made smaller until a step {limit(size, too_large, machine)}"
    draft.decide(setting, size.patch, reason)
    return size


def limit(chosen: StepSize, too_large: StepSize, machine: Machine) -> str:
    """What the patch had to be made smaller for: `too_large` is the last one that did not fit."""
    if chosen == too_large:
        return f"could get no smaller; it may still take {step_memory(chosen) / 2**30:.1f} GB, or more than {CPU_STEP_SECONDS:g} s"
    if step_memory(too_large) > memory_for_a_step(machine):
        return f"fits {memory_for_a_step(machine) / machine.memory:.0%} of {machine.memory / 2**30:.0f} GB"
    return f"takes less than about {CPU_STEP_SECONDS:g} s on this {machine.device}"


def choose_batch(draft: Draft, size: StepSize, batches: tuple[int, ...], machine: Machine) -> StepSize:
    """Decide the batches: the largest of those that fit."""
    chosen = next((batch for batch in reversed(batches) if fits(replace(size, batch=batch), machine)), batches[0])
    more = "the most that the field uses" if chosen == batches[-1] else "the most that fits beside this patch"
    draft.decide("training.labeled_batch", chosen, f"{chosen} labelled patches a step: {more}")
    draft.decide("training.unlabeled_batch", chosen, "as many unlabelled as labelled patches, as the field has it")
    return replace(size, batch=chosen)


def fits(size: StepSize, machine: Machine) -> bool:
    """Whether a step of CML stays within the machine's memory and, on a CPU, within a few seconds."""
    seconds = step_seconds(size, machine)
    return step_memory(size) <= memory_for_a_step(machine) and (seconds is None or seconds <= CPU_STEP_SECONDS)


def memory_for_a_step(machine: Machine) -> float:
    """Bytes that a step may take."""
    return MEMORY_SHARE.get(machine.device, OTHER_SHARE) * machine.memory


def refuse_single_voxel(patch: tuple[int, ...]) -> None:
    """Batch statistics over one voxel are none; a method that halves its batch may have only one patch left.

    Raises:
        SettingsError: the network would see the whole patch as one voxel at its bottleneck.
    """
    if patch and all(side <= DIVISOR for side in patch):
        raise SettingsError(f"training.patch {patch}: shrinks to one voxel in the network; give at least one side {2 * DIVISOR} voxels.")
