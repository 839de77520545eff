"""What one trained method says of a prepared scan: probabilities, and on request how unsure it is, window by window, on the scan's grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import torch
from torch import Tensor

from semiseg.case import Array
from semiseg.devices import autocast, channels_last
from semiseg.inference.member import Member
from semiseg.inference.pieces import Pieces, windows_of
from semiseg.inference.regrid import axis_map, regridded
from semiseg.inference.sliding_window import sliding_window


def scores(member: Member, image: Array, shape: Sequence[int], pieces: Pieces, column: tuple[int, int], unsure: bool) -> Iterator[Tensor]:
    """Slabs (K, *S) of one column of the scan, `pieces.height` rows each, on the device; with `unsure` (K + 1, *S), uncertainty last.

    Args:
        member: the trained method.
        image: (C, *S'), prepared.
        shape: (*S) of the scan.
    """
    run = member.run
    patch, stride = windows_of(run, len(shape))
    ways = [axis_map(side, size, run.preparation.spacing is not None) for side, size in zip(image.shape[1:], shape, strict=True)]
    wanted = [column if k == pieces.across else (0, size) for k, size in enumerate(shape)]
    part = [way.span(*span) for way, span in zip(ways, wanted, strict=True)]
    ways = [way.part(*span) for way, span in zip(ways, wanted, strict=True)]
    flat = run.preparation.slice_axis if len(shape) > len(run.training.patch) else None

    def predict(windows: Tensor) -> Tensor:
        windows = windows.to(member.device)
        if flat is None:
            return window_scores(member, windows, unsure)
        return window_scores(member, windows.squeeze(flat + 2), unsure).unsqueeze(flat + 2)

    slabs = sliding_window(predict, torch.from_numpy(image), patch, stride, run.inference.batch, pieces.axis, part)
    return regridded(slabs, ways, pieces.axis, pieces.height)


def window_scores(member: Member, windows: Tensor, unsure: bool) -> Tensor:
    """(B, C, *P) -> (B, K, *P) probabilities, with `unsure` the uncertainty as one more; the mean over all flips where the run says so."""
    axes = range(2, windows.ndim)
    flips = [flip for count in range(windows.ndim - 1) for flip in combinations(axes, count)] if member.run.inference.flips else [()]
    found = _once(member, windows, unsure)
    for flip in flips[1:]:
        found += _once(member, windows.flip(flip), unsure).flip(flip)
    return found / len(flips) if len(flips) > 1 else found


def _once(member: Member, windows: Tensor, unsure: bool) -> Tensor:
    windows = windows.contiguous(memory_format=channels_last(windows.shape[2:]))
    with autocast(member.precision, member.device):
        logits, views = member.method.predict_both(windows) if unsure else (member.method.predict_logits(windows), [])
    probabilities = logits.float().softmax(1)
    if not unsure:
        return probabilities
    return torch.cat([probabilities, uncertainty(probabilities, views)], dim=1)


def uncertainty(probabilities: Tensor, views: Sequence[Tensor]) -> Tensor:
    """How unsure the model is of each voxel: (B, 1, *P) in 0..1.

    Args:
        probabilities: (B, K, *P), of the method.
        views: logits (B, K, *P) of each view. Of two or more: the span of their foreground probabilities; else 1 - the highest probability.
    """
    if len(views) < 2:
        return 1 - probabilities.amax(1, keepdim=True)
    return spread([1 - view.float().softmax(1)[:, :1] for view in views])


def spread(values: Sequence[Tensor]) -> Tensor:
    """How far the least and the greatest of several tensors lie apart, element by element."""
    stacked = torch.stack(list(values))
    return stacked.amax(0) - stacked.amin(0)
