"""HDF5 files as the field's code packs them: one scan a file under the key `image`, its label map under `label`, no geometry."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from semiseg.case import Array, Geometry
from semiseg.data.formats.common import one_line
from semiseg.errors import DataError

SUFFIXES = (".h5", ".hdf5")


def read_header(path: Path, key: str = "image") -> tuple[tuple[int, ...], Geometry]:
    """Shape of the array under `key`, without its voxels; the geometry is unknown."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return _dataset_shape(file, key, path), Geometry(known=False)
    except OSError as error:
        raise _unreadable(path, error) from error


def read_image(path: Path, key: str = "image") -> tuple[Array, Geometry]:
    """The array under `key`; the geometry is unknown."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            _dataset_shape(file, key, path)
            return np.asarray(file[key][()]), Geometry(known=False)
    except OSError as error:
        raise _unreadable(path, error) from error


def read_label(path: Path) -> tuple[Array, Geometry]:
    """The array under `label`; the geometry is unknown."""
    return read_image(path, "label")


def _dataset_shape(file: object, key: str, path: Path) -> tuple[int, ...]:
    import h5py

    assert isinstance(file, h5py.File)
    if not isinstance(file.get(key), h5py.Dataset):
        raise DataError(f"{path}: has no array under the key '{key}' (keys: {', '.join(file) or 'none'}).")
    return tuple(file[key].shape)


def _unreadable(path: Path, error: OSError) -> DataError:
    if not path.exists():
        return DataError(f"{path}: no such file.")
    return DataError(f"{path}: is not a readable HDF5 file ({one_line(error)}). The file is cut short or damaged: copy or export it again.")
