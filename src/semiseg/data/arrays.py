"""A data set out of arrays that are in memory already."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from semiseg.case import IGNORE, Array, Case
from semiseg.data.dataset import Dataset
from semiseg.errors import DataError


def from_arrays(
    images: Mapping[str, Array],
    labels: Mapping[str, Array],
    classes: tuple[str, ...] | None = None,
    spacing: tuple[float, ...] | None = None,
    test: Collection[str] = (),
    name: str = "arrays",
    ignore: int | None = None,
) -> Dataset:
    """Cases by their ids; one without a label is unlabelled.

    Args:
        images: id -> array (*S), 2D or 3D.
        labels: id -> integer array (*S) of the same shape, for some of the images.
        classes: names of the foreground classes 1, 2, ...; found in the labels if not given.
        spacing: mm a voxel along each axis; without it distances in mm are not known.
        test: ids that are not for training.
        ignore: value in the labels of voxels that nobody labelled.

    Raises:
        DataError: no image; images of different dimensions; a label or a test id without an image.
    """
    strangers = [key for key in (*labels, *test) if key not in images]
    if strangers or not images:
        raise DataError(f"{name}: {strangers[0]!r} has no image." if strangers else f"{name}: no images were given.")
    dimensions = {image.ndim for image in images.values()}
    if len(dimensions) > 1 or not dimensions <= {2, 3}:
        raise DataError(f"{name}: arrays of {sorted(dimensions)} dimensions; expected all 2D or all 3D, one modality an array.")
    label_map = {} if ignore is None else {ignore: IGNORE}
    cases = {key: Case(key, (image,), labels.get(key), spacing=spacing, label_map=label_map) for key, image in images.items()}
    return Dataset(
        name,
        classes,
        train=tuple(case for key, case in cases.items() if key not in test),
        test=tuple(cases[key] for key in cases if key in test),
        dimensions=dimensions.pop(),
        spacing_known=spacing is not None,
    )
