"""From a step's number to its batch: draw, gather, augment."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from semiseg.case import Batch, Labeled, Unlabeled
from semiseg.data.augment import Augmentation, apply, make_params
from semiseg.data.bank import Bank
from semiseg.data.labels import Box
from semiseg.data.sampling import draw
from semiseg.errors import DataError, SettingsError


class Loader:
    """`loader(step)` is the batch of that step, whatever was asked for before: a pure function of the step.

    Args:
        labeled: scans with labels.
        unlabeled: scans without, or None where `unlabeled_slots` is 0.
        patch: (*P) voxels.
        labeled_slots: labelled patches L a batch.
        unlabeled_slots: unlabelled patches U a batch.
        augmentation: of all patches.
        seed: of the run.
        memory_format: of the images, for devices that are faster with channels last.

    Raises:
        SettingsError: a patch with other axes than the scans; no scans for the slots.
        DataError: labelled scans without labels; labelled and unlabelled scans with different channels.
    """

    def __init__(
        self,
        labeled: Bank,
        unlabeled: Bank | None,
        patch: tuple[int, ...],
        labeled_slots: int,
        unlabeled_slots: int,
        augmentation: Augmentation,
        seed: int,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> None:
        self.labeled, self.unlabeled, self.patch = labeled, unlabeled, patch
        self.labeled_slots, self.unlabeled_slots = labeled_slots, unlabeled_slots
        self.augmentation, self.seed, self.memory_format = augmentation, seed, memory_format
        self._check()

    def __call__(self, step: int) -> Batch:
        """Labelled (L, C, *P) and (L, *P), unlabelled (U, C, *P), on the banks' device."""
        image, label = self._patches(self.labeled, "labeled", step, self.labeled_slots, self.labeled.labeled_boxes)
        assert label is not None  # _check
        if self.unlabeled is None or self.unlabeled_slots == 0:
            return Batch(Labeled(image, label), Unlabeled(image.new_empty((0, *image.shape[1:]))))
        return Batch(Labeled(image, label), Unlabeled(self._patches(self.unlabeled, "unlabeled", step, self.unlabeled_slots)[0]))

    def _patches(
        self, bank: Bank, stream: str, step: int, slots: int, boxes: Sequence[Box | None] | None = None
    ) -> tuple[Tensor, Tensor | None]:
        symmetry, probability = self.augmentation.symmetry, self.augmentation.symmetry_probability
        draws = [draw(self.seed, stream, step, slot, slots, bank.shapes, self.patch, symmetry, probability, boxes) for slot in range(slots)]
        image, label = bank.gather(draws, self.patch, self.memory_format)
        return apply(make_params(self.augmentation, self.seed, step, stream, slots), image, label)

    def _check(self) -> None:
        if not self.labeled.labeled:
            raise DataError(f"{self.labeled.ids[0]}: has no label, and is among the labelled scans.")
        if self.labeled_slots < 1:
            raise SettingsError(f"labeled_batch is {self.labeled_slots}; expected at least 1.")
        if self.unlabeled_slots and self.unlabeled is None:
            raise SettingsError(f"unlabeled_batch is {self.unlabeled_slots}, and there are no unlabelled scans. Set it to 0, or add scans.")
        dimensions = len(self.labeled.shapes[0])
        if len(self.patch) != dimensions:
            raise SettingsError(f"patch {self.patch} has {len(self.patch)} sides, and the scans have {dimensions} axes.")
        if self.unlabeled is not None and (self.unlabeled.channels, len(self.unlabeled.shapes[0])) != (self.labeled.channels, dimensions):
            raise DataError(
                f"{self.unlabeled.ids[0]}: {self.unlabeled.channels} channels and {len(self.unlabeled.shapes[0])} axes; "
                f"the labelled scans have {self.labeled.channels} and {dimensions}."
            )
