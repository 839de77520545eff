"""Pictures (.png, .tif, .tiff, .jpg, .jpeg): one grey 2D scan a file, (rows, columns), with no geometry that could be trusted."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from semiseg.case import Array, Geometry
from semiseg.data.formats.common import one_line
from semiseg.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

LOSSLESS = (".png", ".tif", ".tiff")
LOSSY = (".jpg", ".jpeg")
SUFFIXES = (*LOSSLESS, *LOSSY)


def read_header(path: Path) -> tuple[tuple[int, ...], Geometry]:
    """(rows, columns), without the voxels; the geometry is unknown."""
    with _opened(path) as picture:
        return (picture.height, picture.width), Geometry(known=False)


def read_image(path: Path) -> tuple[Array, Geometry]:
    """Grey values (rows, columns) as stored; colour is taken where its channels are equal."""
    with _opened(path) as picture:
        return _grey(picture.convert("RGB") if picture.mode == "P" else picture, path), Geometry(known=False)


def read_label(path: Path) -> tuple[Array, Geometry]:
    """Class numbers (rows, columns); of a picture with a palette the entries' numbers, not their colours."""
    if path.suffix.lower() in LOSSY:
        raise DataError(f"{path}: JPEG changes values when it saves, so that it cannot hold a label map. Export the label as PNG.")
    with _opened(path) as picture:
        return _grey(picture, path), Geometry(known=False)


def write_label(path: Path, labels: Array, geometry: Geometry) -> None:
    """Write an integer array (rows, columns); `geometry` has no place in a picture.

    Raises:
        DataError: other than two axes.
    """
    from PIL import Image

    if labels.ndim != 2:
        raise DataError(f"{path}: a picture holds 2 axes, and the mask has {labels.ndim}. Write it as NIfTI (.nii.gz).")
    Image.fromarray(labels).save(path)


@contextmanager
def _opened(path: Path) -> Iterator[Image]:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            if getattr(picture, "n_frames", 1) > 1:
                raise DataError(f"{path}: holds {picture.n_frames} pages; expected one. Save a stack as NIfTI, NRRD or MetaImage.")  # type: ignore[attr-defined]
            yield picture
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file.") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise DataError(f"{path}: is not a readable picture ({one_line(error)}). It is cut short or damaged: copy it again.") from error


def _grey(picture: Image, path: Path) -> Array:
    voxels = np.asarray(picture)
    if voxels.ndim == 2:
        return voxels
    color = voxels[..., :3] if picture.mode in ("RGB", "RGBA") else voxels[..., :1]
    if picture.mode not in ("RGB", "RGBA", "LA") or (color != color[..., :1]).any():
        raise DataError(f"{path}: is in colour ({picture.mode}); expected grey values. Convert it, or save each channel as a file.")
    return color[..., 0]
