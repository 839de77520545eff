"""How a scan differs from those that a run was trained on, as far as the run folder tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from semiseg.data.preparation import Preparation

FACTOR = 1.5
"""A voxel this much longer or shorter than those of all training scans is worth a word: structures have another size in voxels."""
WORDS = {
    "voxel size": (
        f"have voxels of another size than the training scans, by more than a factor of {FACTOR:g}, and the run does not resample",
        "resample them, or train with preparation.spacing.",
    ),
    "axes": ("have axes that run otherwise than those of the training scans", "reorient them."),
}
"""Kind of difference -> what scans have, and what to do about it."""


@dataclass(frozen=True)
class Difference:
    """What a scan has otherwise than the training scans: its voxel size (mm along each axis), or where its axes run (such as RAS)."""

    kind: Literal["voxel size", "axes"]
    scan: str
    training: str


@dataclass(frozen=True)
class TrainingScans:
    """What is known of the scans that a run was trained on.

    Attributes:
        smallest, largest: mm a voxel along each axis of the file; empty where it is not known.
        axes: where the axes run, each way that there is, see `axis_codes`; empty where it is not known.
    """

    smallest: tuple[float, ...] = ()
    largest: tuple[float, ...] = ()
    axes: tuple[str, ...] = ()

    @staticmethod
    def of(plan: Mapping[str, Any] | None) -> TrainingScans:
        """Out of a run folder's plan.json, which earlier versions wrote without axes and imported runs do not have."""
        found = (plan or {}).get("data", {})
        spacing = found.get("spacing_mm") or {"smallest": (), "largest": ()}
        return TrainingScans(tuple(spacing["smallest"]), tuple(spacing["largest"]), tuple(found.get("axes", ())))

    def differences(self, preparation: Preparation, spacing: tuple[float, ...] | None, axes: str) -> tuple[Difference, ...]:
        """What matters to a network. The voxel size does not where scans are resampled, nor the axis along which they are cut into slices.

        Args:
            preparation: of the run.
            spacing: of the scan, mm a voxel along each axis; None where it is not known.
            axes: where those of the scan run; empty where it is not known.
        """
        cut = preparation.slice_axis
        found: list[Difference] = []
        size, small, large = (_seen(sides, cut) for sides in (spacing or (), self.smallest, self.largest))
        same_kind = len(size) == len(small) and preparation.spacing is None and preparation.resize is None
        if same_kind and any(mm * FACTOR < low or mm > high * FACTOR for mm, low, high in zip(size, small, large, strict=True)):
            trained = _product(small) if small == large else f"{_product(small)} to {_product(large)}"
            found.append(Difference("voxel size", f"{_product(size)} mm", f"{trained} mm"))
        known = {"".join(_seen(code, cut)) for code in self.axes}
        own = "".join(_seen(axes, cut))
        if own and own not in known and len(own) in map(len, known):
            found.append(Difference("axes", axes, " or ".join(self.axes)))
        return tuple(found)


UNKNOWN = TrainingScans()


def in_words(differences: Mapping[Path, Sequence[Difference]]) -> list[str]:
    """A sentence for each kind of difference that any of the scans has."""
    said = []
    for kind, (words, way_out) in WORDS.items():
        found = [(scan, one) for scan, ones in differences.items() for one in ones if one.kind == kind]
        if found:
            scan, first = found[0]
            example = f"{scan}: {first.scan}; training scans: {first.training}"
            count = len({scan for scan, _ in found})
            said.append(f"{count} of {len(differences)} scans {words} ({example}). Their masks may be poor: {way_out}")
    return said


def _seen(sides: Sequence[Any], cut: int | None) -> tuple[Any, ...]:
    """Those of the axes that a network sees."""
    return tuple(side for axis, side in enumerate(sides) if len(sides) < 3 or axis != cut)


def _product(sides: Sequence[float]) -> str:
    return " x ".join(f"{side:.3g}" for side in sides)
