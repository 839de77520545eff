"""The prepared scans, held once, from which patches are cut into batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from semiseg.case import IGNORE, Array
from semiseg.data.labels import STORED_IGNORE
from semiseg.data.prepare import Prepared
from semiseg.data.sampling import Draw, crop_shape
from semiseg.errors import DataError

Volume = Array | Tensor
"""A scan as it lies on the host, or on the device."""


def pools(prepared: Sequence[Prepared]) -> tuple[list[Prepared], list[Prepared]]:
    """The scans that labelled patches are cut from, and those for unlabelled ones: a partly labelled scan is among both."""
    labeled = [item for item in prepared if item.label is not None]
    return labeled, [item.unlabeled() for item in prepared if item.label is None or item.labeled_box is not None]


class Bank:
    """Scans on the device (`resident`), or memory-mapped where they lie; batches come out on the device either way.

    Args:
        prepared: with labels in all cases or in none; all with the same number of channels and axes.
        device: of the batches.
        dtype: of resident images (float16 halves their memory); batches are float32. Labels take a byte a voxel.
        resident: copy all scans to the device now. The caller decides whether they fit (`Bank.size_in_bytes`); a CPU gains nothing.

    Raises:
        DataError: no scans, or scans that do not go together.
    """

    def __init__(
        self, prepared: Sequence[Prepared], device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32, resident: bool = False
    ) -> None:
        _check(prepared)
        self.device = torch.device(device)
        self.ids = tuple(item.id for item in prepared)
        self.shapes: tuple[tuple[int, ...], ...] = tuple(item.image.shape[1:] for item in prepared)
        self.labeled_boxes = tuple(item.labeled_box for item in prepared)
        self.channels = int(prepared[0].image.shape[0])
        self._images: Sequence[Volume] = [item.image for item in prepared]
        self._labels: Sequence[Volume] = [item.label for item in prepared if item.label is not None]
        if resident:
            self._images = [_tensor(item.image).to(self.device, dtype) for item in prepared]
            self._labels = [_tensor(item.label).to(self.device) for item in prepared if item.label is not None]
        self._resident = resident

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def labeled(self) -> bool:
        """Whether patches come with labels."""
        return bool(self._labels)

    @staticmethod
    def size_in_bytes(prepared: Sequence[Prepared], dtype: torch.dtype = torch.float32) -> int:
        """What resident scans would take on the device."""
        return sum(item.image.size * dtype.itemsize + (0 if item.label is None else item.label.size) for item in prepared)

    def gather(
        self, draws: Sequence[Draw], patch: tuple[int, ...], memory_format: torch.memory_format = torch.contiguous_format
    ) -> tuple[Tensor, Tensor | None]:
        """Cut the patches: (B, C, *P) float32 in `memory_format`, and (B, *P) int64 or None. Never waits for the device.

        Patches that reach beyond a scan are filled up with zeros (background). What nobody labelled is `IGNORE`.
        """
        target = self.device if self._resident else torch.device("cpu")
        pinned = self.device.type == "cuda" and not self._resident
        image = torch.empty((len(draws), self.channels, *patch), device=target, pin_memory=pinned, memory_format=memory_format)
        label = torch.empty((len(draws), *patch), dtype=torch.uint8, device=target, pin_memory=pinned) if self.labeled else None
        for slot, draw in enumerate(draws):
            _copy_patch(image[slot], self._images[draw.case], draw)
            if label is not None:
                _copy_patch(label[slot, None], self._labels[draw.case][None], draw)
        image = image.to(self.device, non_blocking=True)
        if label is None:
            return image, None
        whole = not self._resident and label.numpy().max() < STORED_IGNORE  # as is most often so, and soon seen in bytes
        classes = label.to(self.device, non_blocking=True).long()
        return image, classes if whole else classes.masked_fill_(classes == STORED_IGNORE, IGNORE)


def _copy_patch(out: Tensor, volume: Volume, draw: Draw) -> None:
    """Cut, turn and flip one patch of `volume` (C, *S) into `out` (C, *P)."""
    patch = tuple(out.shape[1:])
    scan, inside = _overlap(draw.start, crop_shape(patch, draw.turns), tuple(volume.shape[1:]))
    cut = volume[(slice(None), *scan)]
    transposed, flips = _as_transpose_and_flips(draw)
    if transposed:
        cut = cut.swapaxes(1, 2)
        inside[:2] = inside[1::-1]
    for axis in flips:
        part, size = inside[axis], patch[axis]
        inside[axis] = slice(size - part.stop, size - part.start)
    if cut.shape[1:] != patch:
        out.zero_()
    _copy_flipped(out[(slice(None), *inside)], cut, [axis + 1 for axis in flips])


def _copy_flipped(out: Tensor, cut: Volume, axes: list[int]) -> None:
    """On the host in one pass, by NumPy: PyTorch's flip is a copy of its own."""
    if isinstance(cut, Tensor):
        out.copy_(cut.flip(axes) if axes else cut)
    else:
        np.copyto(out.numpy(), np.flip(cut, tuple(axes)))


def _overlap(start: Sequence[int], size: Sequence[int], sides: Sequence[int]) -> tuple[list[slice], list[slice]]:
    """Where a crop and a scan meet: in the scan's voxels, and in the crop's."""
    bounds = [(max(a, 0), min(a + n, side)) for a, n, side in zip(start, size, sides, strict=True)]
    return [slice(low, high) for low, high in bounds], [slice(low - a, high - a) for (low, high), a in zip(bounds, start, strict=True)]


def _as_transpose_and_flips(draw: Draw) -> tuple[bool, list[int]]:
    """A turn by k quarters, then flips, as a transpose, then flips: only the flips copy, and two of one axis cancel.

    A quarter turn (numpy's and torch's `rot90`) is a transpose, then a flip of the first axis.
    """
    axes = set(draw.flips) ^ ({0} if draw.turns in (1, 2) else set()) ^ ({1} if draw.turns in (2, 3) else set())
    return draw.turns % 2 == 1, sorted(axes)


def _tensor(array: Array) -> Tensor:
    """The same memory as a tensor; arrays that may not be written to are copied, which torch asks for."""
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _check(prepared: Sequence[Prepared]) -> None:
    if not prepared:
        raise DataError("There are no scans to draw patches from.")
    first = prepared[0]
    for item in prepared:
        if item.image.ndim != first.image.ndim or len(item.image) != len(first.image):
            raise DataError(
                f"{item.id}: image of shape {item.image.shape} does not go with {first.id}, {first.image.shape} (channels first)."
            )
        if (item.label is None) != (first.label is None):
            raise DataError(f"{item.id if item.label is None else first.id}: has no label, and other scans of its kind have one.")
