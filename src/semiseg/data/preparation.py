"""What happens to a scan before training and before prediction alike, as settings and as what they do to one scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from semiseg.case import Array, Case, Geometry, Source, file_of
from semiseg.data.formats import read_header, read_images
from semiseg.data.labels import stored
from semiseg.data.normalize import clip, normalize_by_numbers, normalize_by_scan
from semiseg.data.resample import nearest, resample_image, resample_label, resampled_shape
from semiseg.errors import DataError, SettingsError

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Numbers = Annotated[tuple[float, ...], BeforeValidator(lambda value: (value,) if isinstance(value, int | float) else value)]
"""One number may stand without brackets."""


class Preparation(BaseModel):
    """What happens to a scan before training and before prediction alike: clipped, normalised, resampled, in this order."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    clip: tuple[float, float] | None = Field(
        None, description="lowest and highest value, of the file; what lies beyond takes the limit. CT: in Hounsfield units"
    )
    normalize: Literal["none", "zscore", "fixed"] = Field(
        "zscore", description="zscore: mean 0 and deviation 1 of each scan and modality; fixed: by `mean` and `std`; none: as in the file"
    )
    mean: Numbers = Field((), description="normalize fixed: subtracted; one number, or one for each modality")
    std: Numbers = Field((), description="normalize fixed: divided by; one number, or one for each modality")
    spacing: tuple[Positive, ...] | None = Field(
        None,
        min_length=2,
        max_length=3,
        description="mm a voxel along the file's axes that scans are resampled to; for slices, of their two",
    )
    resize: tuple[int, int] | None = Field(
        None, description="2D: slices are brought to this size by nearest neighbour; published ACDC 256, 256"
    )
    slice_axis: int | None = Field(None, ge=0, le=2, description="a 2D model on 3D scans: the axis that is cut into slices")

    @model_validator(mode="after")
    def settings_go_together(self) -> Preparation:
        """Refuse what cannot be meant."""
        if self.clip is not None and not self.clip[0] < self.clip[1]:
            raise ValueError(f"clip {self.clip}: the lowest value comes first.")
        if min(self.std, default=1) <= 0:
            raise ValueError(f"std {self.std}: expected numbers above 0.")
        if self.normalize == "fixed" and not (self.mean and len(self.mean) == len(self.std)):
            raise ValueError("normalize: fixed needs mean and std, one number each, or one for each modality.")
        if self.spacing is not None and self.resize is not None:
            raise ValueError("spacing and resize are two ways to one grid. Choose one.")
        return self


def read_case_image(case: Case) -> tuple[Array, tuple[float, ...] | None]:
    """All modalities of a case, (C, *S) float32, and mm a voxel along each axis; None where neither the file nor the case says."""
    scans = read_images(case.images)
    image, geometry = scans[0]
    return stacked([scan for scan, _ in scans], case.images), known_spacing(geometry, image.ndim, case.spacing)


def case_spacing(case: Case) -> tuple[float, ...] | None:
    """As `read_case_image` says it, from the header alone."""
    shape, geometry = read_header(case.images[0])
    return known_spacing(geometry, len(shape), case.spacing)


def stacked(scans: Sequence[Array], sources: Sequence[Source]) -> Array:
    """Modalities as one array (C, *S) that may be written to: memory of its own unless there is only one, out of a file."""
    if len(scans) == 1 and file_of(sources[0]) is not None and scans[0].flags.writeable:
        return scans[0][None]
    return np.stack(scans)


def known_spacing(geometry: Geometry, dimensions: int, given: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """mm a voxel along each axis, as the file says or else as it was given."""
    return geometry.spacing(dimensions) if geometry.known else given


def prepare_image(array: Array, preparation: Preparation, spacing: Sequence[float] | None = None, overwrite: bool = False) -> Array:
    """One scan as a network sees it; the axes keep their order (a scan is cut into slices by whoever needs slices).

    Args:
        array: (C, *S), one channel a modality.
        preparation: what to do.
        spacing: mm a voxel along each axis, None where it is not known.
        overwrite: `array` is no longer needed: its memory may be used.

    Returns:
        (C, *S) float32; with `resize` the two axes of a slice have the new size, with `spacing` all axes.

    Raises:
        DataError: all voxels of a modality have one value, so that it cannot be normalised, or voxels of unknown size cannot be resampled.
        SettingsError: `resize` for a 3D scan that is not cut into slices, a `slice_axis` that it does not have, or numbers that do not
            suit its axes or modalities.
    """
    image = array if overwrite and array.dtype == np.float32 and array.flags.writeable else array.astype(np.float32)
    if preparation.clip is not None:
        clip(image, preparation.clip)
    if preparation.normalize == "zscore":
        normalize_by_scan(image)
    elif preparation.normalize == "fixed":
        normalize_by_numbers(image, preparation.mean, preparation.std)
    if preparation.spacing is not None:
        return resample_image(image, new_shape(image.shape[1:], preparation, spacing))
    return _resized(image, preparation)


def prepare_label(label: Array, preparation: Preparation, spacing: Sequence[float] | None = None) -> Array:
    """Class numbers (*S) on the grid of the prepared image, as `stored`. `spacing` as for `prepare_image`."""
    if preparation.spacing is not None:
        return resample_label(stored(label), new_shape(label.shape, preparation, spacing))
    return np.ascontiguousarray(_resized(stored(label)[None], preparation)[0])


def new_shape(shape: Sequence[int], preparation: Preparation, spacing: Sequence[float] | None) -> tuple[int, ...]:
    """The shape (*S) of a scan that `preparation.spacing` is asked for.

    Raises:
        DataError: the size of its voxels is not known.
    """
    assert preparation.spacing is not None
    if spacing is None:
        raise DataError(
            f"holds no voxel size, and preparation.spacing {preparation.spacing} asks for one. Give it (the column `spacing` of a manifest,"
            " spacing=(...) in Python), save the scan as NIfTI, or leave preparation.spacing out."
        )
    return resampled_shape(shape, spacing, preparation.spacing, preparation.slice_axis)


def _resized(array: Array, preparation: Preparation) -> Array:
    """`array` (C, *S) with the two axes of a slice at the size that is asked for."""
    axes = [axis for axis in range(array.ndim - 1) if array.ndim < 4 or axis != preparation.slice_axis]
    if preparation.resize is None:
        return array
    if len(axes) != 2:
        raise SettingsError(f"resize {preparation.resize} is for slices, and the scan is 3D. Set slice_axis (0..2), or leave resize out.")
    for axis, new_size in zip(axes, preparation.resize, strict=True):
        array = np.take(array, nearest(array.shape[axis + 1], new_size), axis=axis + 1)
    return array
