"""From the folders of BraTS 2019, as they are downloaded, to the scans that published semi-supervised runs train on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from semiseg.case import Array, Geometry
from semiseg.data.check import compare_grids
from semiseg.data.formats import describe, read_image, read_label, write_label
from semiseg.data.known.brats2019 import CLASSES
from semiseg.data.layouts.brats import case_files
from semiseg.data.layouts.packed import listed_names
from semiseg.errors import DataError

PARTS = ("train", "val", "test")
CLIP = 0.999
"""Share of the voxels that lies below the value at which the image is cut off (SSL4MIS)."""


def prepare_brats2019(
    folder: Path,
    out: Path,
    lists: Path | None = None,
    released: bool = False,
    workers: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write the cases as a plain folder: images/ (FLAIR), labels/ (whole tumour), the lists, and dataset.yaml. Scans keep their place.

    Args:
        folder: holds the cases, or HGG/ and LGG/ with the cases.
        out: a new folder.
        lists: a folder with train.txt, val.txt and test.txt (or .list), one case a line; others are left out. None: all cases, no lists.
        released: crop as the released code does, which loses the last plane of each axis.
        workers: threads; as many cases are in memory.
        progress: called with (cases done, cases in all).

    Returns:
        How many cases were written.

    Raises:
        DataError: no cases, a list that names a case which is not there, a file that cannot be read, or `out` exists.
    """
    files = case_files(folder)
    named = {} if lists is None else {part: listed_names(lists, part) for part in PARTS}
    wanted = [name for names in named.values() for name in names] or list(files)
    if lists is not None and not named["train"]:
        raise DataError(f"{lists}: no train.txt or train.list. The published lists lie beside the code of SSL4MIS, in data/BraTS2019.")
    check(folder, out, files, wanted, lists)
    partial = out.with_name(f".partial-{os.getpid()}-{out.name}")
    try:
        with ThreadPoolExecutor(max(workers, 1)) as pool:
            running = [pool.submit(write_case, files[name], name, partial, released) for name in wanted]
            try:
                for done, future in enumerate(running, start=1):
                    future.result()
                    if progress is not None:
                        progress(done, len(wanted))
            finally:
                pool.shutdown(cancel_futures=True)
        describe_set(partial, named)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return len(wanted)


def describe_set(folder: Path, lists: Mapping[str, Sequence[str]]) -> None:
    """Write the lists, and dataset.yaml."""
    for part, names in lists.items():
        if names:
            (folder / f"{part}.list").write_text("\n".join(names) + "\n", encoding="utf-8")
    described: dict[str, Any] = {"name": "BraTS2019", "classes": list(CLASSES), "preparation": {"normalize": "none"}}
    (folder / "dataset.yaml").write_text(yaml.safe_dump(described, sort_keys=False), encoding="utf-8")


def check(folder: Path, out: Path, files: dict[str, dict[str, Path]], wanted: Sequence[str], lists: Path | None) -> None:
    """Raises DataError where the work cannot end well."""
    if out.exists():
        raise DataError(f"{out}: exists already. Choose another folder, or remove it.")
    if not files:
        raise DataError(f"{folder}: holds no BraTS cases; expected folders CASE/ with CASE_flair.nii.gz, or HGG/ and LGG/ with these.")
    missing = [name for name in wanted if "flair" not in files.get(name, {})]
    if missing:
        raise DataError(f"{lists or folder}: case '{missing[0]}' has no FLAIR image in {folder} ({len(missing)} of {len(wanted)}).")


def write_case(files: dict[str, Path], name: str, out: Path, released: bool) -> None:
    """Read a case, bring it to what is published, and write it."""
    image, geometry = read_image(files["flair"])
    label = None
    if "seg" in files:
        label, label_geometry = read_label(files["seg"])
        compare_grids(describe(files["seg"]), label.shape, label_geometry, describe(files["flair"]), image.shape, geometry)
    if not (image > 0).any():
        raise DataError(f"{files['flair']}: holds no voxel above 0. Download it again.")
    box = brain_box(image, released)
    affine = geometry.affine.copy()
    affine[:, 3] = affine @ [*(side.start for side in box), 1.0]
    place = Geometry(affine, geometry.codes)
    write_image(out / "images" / f"{name}.nii.gz", normalized(image[box]), place)
    if label is not None:
        write_label(out / "labels" / f"{name}.nii.gz", (label[box] > 0).astype(np.uint8), place)


def brain_box(image: Array, released: bool = False) -> tuple[slice, ...]:
    """The smallest box around all voxels (*S) that are not 0; as released, without its last plane along each axis."""
    ends = 0 if released else 1
    planes = [np.flatnonzero(image.any(axis=tuple(other for other in range(image.ndim) if other != axis))) for axis in range(image.ndim)]
    return tuple(slice(int(filled[0]), int(filled[-1]) + ends) for filled in planes)


def normalized(image: Array) -> Array:
    """Cut off at the 99.9th percentile, then mean 0 and deviation 1 of the voxels above 0; the others follow. (*S) float32

    Source: the preprocessing of SSL4MIS. The percentile is the smallest value that so many voxels do not exceed, the background among them.
    """
    clipped = np.minimum(image, np.quantile(image, CLIP, method="inverted_cdf")).astype(np.float64)
    brain = clipped[clipped > 0]
    result: Array = ((clipped - brain.mean()) / brain.std()).astype(np.float32)
    return result


def write_image(path: Path, voxels: Array, geometry: Geometry) -> None:
    """A float32 NIfTI."""
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    image: Any = nibabel.Nifti1Image(voxels, geometry.affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(geometry.affine, code=geometry.codes[0])
    image.set_sform(geometry.affine, code=geometry.codes[1])
    nibabel.save(image, path)
