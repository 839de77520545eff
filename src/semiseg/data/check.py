"""Whether cases can be used: everything that can be wrong with an image and its label, in one message for all cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from semiseg.case import IGNORE, Array, Case, Geometry
from semiseg.data.formats import describe, read_header, read_label_header
from semiseg.data.labels import STORED_IGNORE, values_of, way_out
from semiseg.errors import DataError

AFFINE_TOLERANCE = 1e-3
"""mm and mm a voxel. Float noise of tools that write the same grid is some 1e-4; a wrong grid is off by a voxel."""


def check_headers(cases: Sequence[Case], most: int) -> None:
    """Check that all files are there and on one grid a case, from their headers alone.

    Raises:
        DataError: one message on all faulty cases, the first `most` by name.
    """
    faults = [fault for case in cases if (fault := _header_fault(case))]
    raise_faults(faults, len(cases), most)


def check_classes(label: Array, classes: int, name: str, label_map: Mapping[int, int] = MappingProxyType({})) -> None:
    """Check that the values of a label map (*S) of class numbers lie in 0..classes-1 or are `IGNORE`, but not all of them.

    `label_map` says how they were read from their file.

    Raises:
        DataError: they do not, and the message lists all values; nothing is labelled; more classes than are read.
    """
    if classes > STORED_IGNORE:
        raise DataError(f"{name}: {classes} classes with the background; at most {STORED_IGNORE} are read. Merge some with --label-map.")
    if int(label.max()) == IGNORE:
        raise DataError(
            f"{name}: no voxel is labelled. Leave the label out, which makes the scan an unlabelled one, or mend what says which voxels "
            "are labelled (ignore, label_map, labeled_slices, labeled_classes)."
        )
    if int(label.min()) < IGNORE or int(label.max()) >= classes:
        values = [value for value in np.unique(label)[:20].tolist() if value != IGNORE]
        found = ", ".join(str(value) for value in values)
        raise DataError(
            f"{name}: label has values {{{found}}}; expected 0..{classes - 1}. "
            f"{way_out(values_of(values, label_map), classes, label_map=label_map)}, or name all classes."
        )


def refuse_nothing_labeled(prepared: Array, name: str) -> None:
    """Check that something of a prepared label (*S) is labelled: a single slice may fall between the voxels of a coarser grid.

    Raises:
        DataError: nothing is.
    """
    if int(prepared.min()) == STORED_IGNORE:
        raise DataError(
            f"{name}: its labelled voxels lie between those of the resampled scan. "
            "Make preparation.spacing finer across its labelled slices."
        )


def raise_faults(faults: Sequence[str], cases: int, most: int) -> None:
    """Raise one DataError on all faults, if there are any."""
    if len(faults) == 1:
        raise DataError(faults[0])
    if faults:
        rest = [f"... and {len(faults) - most} more"] if len(faults) > most else []
        raise DataError("\n  ".join([f"{len(faults)} of {cases} cases cannot be used:", *faults[:most], *rest]))


def named(case: Case, error: DataError) -> str:
    """The message, with the case's id in it: an array in memory has no file name."""
    message = str(error)
    return message if case.id in message else f"{case.id}: {message}"


def _header_fault(case: Case) -> str | None:
    try:
        shape, geometry = read_header(case.images[0])
        for source in case.images[1:]:
            compare_grids(describe(source), *read_header(source), describe(case.images[0]), shape, geometry)
        if case.label is not None:
            compare_grids(describe(case.label), *read_label_header(case.label), describe(case.images[0]), shape, geometry)
    except DataError as error:
        return named(case, error)
    return None


def compare_grids(
    name: str, shape: tuple[int, ...], geometry: Geometry, image: str, image_shape: tuple[int, ...], image_geometry: Geometry
) -> None:
    """Check that a file lies on the grid of its case's first image.

    Raises:
        DataError: another shape, or another place.
    """
    if len(shape) != len(image_shape):
        raise DataError(f"{name}: has {len(shape)} axes {shape}, and {image} has {len(image_shape)} {image_shape}. Export it on that grid.")
    if shape != image_shape:
        raise DataError(f"{name}: shape {shape} is not that of {image}, {image_shape}. Resample it to the image's grid.")
    if not (geometry.known and image_geometry.known):
        return
    difference = float(np.abs(geometry.affine - image_geometry.affine).max())
    if difference > AFFINE_TOLERANCE:
        codes, image_codes = (axis_codes(place, len(shape)) for place in (geometry, image_geometry))
        turned = f"its axes run {codes}, the image's {image_codes}, and " if codes != image_codes else ""
        raise DataError(
            f"{name}: lies elsewhere than {image}: {turned}the affines differ by up to {difference:.3g} (tolerance {AFFINE_TOLERANCE}). "
            "Resample it to the image's grid, or copy the image's header if the voxels do match."
        )


def axis_codes(geometry: Geometry, dimensions: int) -> str:
    """Where each axis runs: RAS is to the right, to the front (anterior) and up (superior)."""
    from nibabel.orientations import aff2axcodes

    return "".join(str(code) for code in aff2axcodes(geometry.affine)[:dimensions])
