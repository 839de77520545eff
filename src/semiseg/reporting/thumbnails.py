"""Small pictures of a scan: three planes side by side as the patient stands, with the label's outline."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import to_rgb

from semiseg.case import Array, Geometry
from semiseg.reporting.figures import COLORS, Plane, fullest_planes

if TYPE_CHECKING:
    from PIL.Image import Image

SIDES = {2: 176, 3: 112}
"""Pixels of the square that holds one plane, by the dimensions of the scan."""
GAP = 4
QUALITY = 80
"""Of JPEG: some 8 kB for three planes."""
THIN = 500_000
"""Voxels of a label among which its fullest planes are looked for."""
AXES = (2, 1, 0)
"""Of the planes, from left to right: in a scan whose axes are known axial, coronal, sagittal."""


def thumbnail(image: Array, label: Array | None, geometry: Geometry) -> bytes:
    """A JPEG of the planes where the label shows most of itself, or else of the middle ones.

    Axes are turned as the geometry says: right, front and up lie right and up on the picture. A scan that stands on its head here has a
    wrong header. Where no geometry is known, a 2D picture is shown as it is.

    Args:
        image: (*S), 2D or 3D, any range of intensities.
        label: (*S) class numbers, or None.
        geometry: of the grid.
    """
    spacing = geometry.spacing(image.ndim) if geometry.known else (1.0,) * image.ndim
    if image.ndim == 3 and geometry.known:
        image, label, spacing = upright(image, label, geometry)
    if image.ndim == 2 and not geometry.known:
        image, label = image.T[:, ::-1], None if label is None else label.T[:, ::-1]  # rows run down
    planes, side = planes_of(label, image.shape), SIDES[image.ndim]
    longest = max(mm for plane in planes for mm in plane.size(image.shape, spacing))
    low, high = np.percentile(np.concatenate([plane.cut(image).ravel() for plane in planes]), (0.5, 99.5))
    strip = np.zeros((*size_of(image.ndim)[::-1], 3), np.uint8)
    for k, plane in enumerate(planes):
        height, wide = (max(round(side * mm / longest), 1) for mm in plane.size(image.shape, spacing))
        grey = np.clip((plane.cut(image) - low) / max(high - low, 1e-6), 0, 1)
        tile = np.repeat(scaled((grey * 255).astype(np.uint8), (height, wide))[..., None], 3, axis=2)
        if label is not None:
            outline(tile, scaled(plane.cut(label), (height, wide), smooth=False))
        top, left = (side - height) // 2, k * (side + GAP) + (side - wide) // 2
        strip[top : top + height, left : left + wide] = tile[::-1]  # the later axis points up
    return jpeg(strip)


def size_of(dimensions: int) -> tuple[int, int]:
    """Width and height of the picture of a scan, in pixels: a 3D scan has three planes."""
    side, planes = SIDES[dimensions], 1 if dimensions == 2 else 3
    return planes * (side + GAP) - GAP, side


def upright(image: Array, label: Array | None, geometry: Geometry) -> tuple[Array, Array | None, tuple[float, ...]]:
    """The scan with its axes from left to right, back to front, feet to head, and mm a voxel along these. Nothing is resampled."""
    from nibabel.orientations import apply_orientation, io_orientation

    turns = io_orientation(geometry.affine)
    spacing = [0.0, 0.0, 0.0]
    for mm, (axis, _) in zip(geometry.spacing(), turns, strict=True):
        spacing[int(axis)] = mm
    return apply_orientation(image, turns), None if label is None else apply_orientation(label, turns), tuple(spacing)


def planes_of(label: Array | None, shape: tuple[int, ...]) -> list[Plane]:
    """The planes that are shown. A large label is looked at in steps."""
    if len(shape) == 2:
        return [Plane(None)]
    if label is None:
        return [Plane(axis, shape[axis] // 2) for axis in AXES]
    step = max(1, round((label.size / THIN) ** (1 / 3)))
    thin = (label[::step, ::step, ::step] > 0).astype(np.uint8)
    return [Plane(plane.axis, min(plane.index * step, shape[plane.axis or 0] - 1)) for plane in fullest_planes(thin, AXES)]


def scaled(plane: Array, size: tuple[int, int], smooth: bool = True) -> Array:
    """A slice (height, width) of whole numbers at another size; not smooth: by nearest neighbour."""
    from PIL.Image import Resampling

    if smooth:
        return np.asarray(picture(plane).resize(size[::-1], Resampling.BOX if size[0] < plane.shape[0] else Resampling.BILINEAR))
    rows, columns = ((np.arange(new) + 0.5) * old / new for new, old in zip(size, plane.shape, strict=True))
    nearest: Array = plane[rows.astype(int)[:, None], columns.astype(int)]
    return nearest


def outline(tile: Array, labels: Array) -> None:
    """Draw the inner border of each class of `labels` (height, width) into `tile` (height, width, 3), in its color."""
    padded = np.pad(labels, 1)
    inside = padded[1:-1, 1:-1]
    border = np.zeros(labels.shape, bool)
    for shifted in (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]):
        border |= shifted != inside
    border &= labels > 0
    palette = np.array([to_rgb(color) for color in COLORS]) * 255
    tile[border] = palette[(labels[border].astype(np.int64) - 1) % len(COLORS)]


def color_of(index: int) -> str:
    """The color of a class, counted from 1."""
    return COLORS[(index - 1) % len(COLORS)]


def picture(pixels: Array) -> Image:
    """Pixels, (height, width) or (height, width, 3), as a picture of Pillow's."""
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(pixels))


def jpeg(pixels: Array) -> bytes:
    """Pixels (height, width, 3) as JPEG, colors at full resolution: an outline is one pixel wide."""
    file = io.BytesIO()
    picture(pixels).save(file, format="JPEG", quality=QUALITY, subsampling=0, optimize=True)
    return file.getvalue()
