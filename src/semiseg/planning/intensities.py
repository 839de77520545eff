"""Chooses how grey values are brought to a common scale."""

from __future__ import annotations

from typing import Any

from semiseg.planning.draft import Draft
from semiseg.planning.fingerprint import Fingerprint, GreyValues


def choose_normalization(draft: Draft, found: Fingerprint) -> None:
    """CT: clipped, and scaled by fixed numbers, since Hounsfield units mean the same in every scan; all else: each scan by itself."""
    values, reason = fixed(found.modalities) if all(modality.ct for modality in found.modalities) else by_scan(found.modalities)
    draft.decide_together(values, reason)


def by_scan(modalities: tuple[GreyValues, ...]) -> tuple[dict[str, Any], str]:
    """Mean 0 and deviation 1 of each scan."""
    some = " (not all modalities are CT)" if any(modality.ct for modality in modalities) else ""
    return (
        {"preparation.normalize": "zscore"},
        f"each scan by its own mean and deviation: grey values are no Hounsfield units, so their scale may differ between scans{some}",
    )


def fixed(modalities: tuple[GreyValues, ...]) -> tuple[dict[str, Any], str]:
    """Clipped to what labelled structures hold, and scaled by their mean and deviation (as nnU-Net does; Isensee et al. 2021)."""
    low, high = min(modality.low for modality in modalities), max(modality.high for modality in modalities)
    of_what = "labelled structures" if all(modality.of_labels for modality in modalities) else "all voxels"
    return (
        {
            "preparation.clip": (round(low, 1), round(high, 1)),
            "preparation.normalize": "fixed",
            "preparation.mean": tuple(round(modality.mean, 1) for modality in modalities),
            "preparation.std": tuple(round(max(modality.std, 1.0), 1) for modality in modalities),
        },
        f"CT (whole numbers, with air below -900): percentiles 0.5 and 99.5, mean and deviation of {of_what} in labelled training scans",
    )
