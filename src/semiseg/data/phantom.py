"""Synthetic scans in 2D and 3D: a bright chamber with veins among things as bright, for the demo, the docs and the tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml
from scipy import ndimage

from semiseg.case import Array, Geometry
from semiseg.data.formats import write_label
from semiseg.errors import SettingsError

CLASS_NAMES = {2: ("chamber",), 4: ("chamber", "wall", "neighbor")}
SMALLEST_SIDE = 16
GREY_LEVELS = 1000
"""Scans are stored as whole grey values, as scanners do."""


def phantom_case(seed: int, shape: tuple[int, ...] = (48, 48, 48), classes: int = 2) -> tuple[Array, Array]:
    """One scan and its label map, a pure function of the arguments.

    A body with textured tissue holds a **chamber** (an ellipsoid, bent by a smooth random field, with an appendage and several veins) in
    a dark **wall**, a **neighbor** chamber beside it, and vessels. Chamber, neighbor and vessels are equally bright, so that brightness
    alone cannot tell them apart; size, wall and veins can. Contrast, bias field, blur and noise differ between scans, as between scanners.

    Args:
        seed: of the anatomy and the scan; non-negative.
        shape: (*S), 2 or 3 sides of at least 16 voxels.
        classes: 2 (background, chamber) or 4 (background, chamber, wall, neighbor).

    Returns:
        image (*S) float32 in about 0..1, label (*S) uint8.

    Raises:
        SettingsError: another number of classes or sides, or sides too short to show anything.
    """
    if classes not in CLASS_NAMES or len(shape) not in (2, 3) or min(shape) < SMALLEST_SIDE:
        raise SettingsError(
            f"phantom of shape {shape} with {classes} classes: expected 2 or 3 sides from {SMALLEST_SIDE}, and 2 or 4 classes."
        )
    random = np.random.default_rng(seed)
    points = _bent_grid(random, shape)
    anatomy = _anatomy(random, points)
    label = np.zeros(shape, np.uint8)
    if classes == 4:
        label[anatomy["neighbor"]] = 3
        label[anatomy["wall"]] = 2
    label[anatomy["chamber"]] = 1
    return _scanned(random, anatomy), label


def write_phantom(
    folder: Path,
    cases: int = 40,
    labeled: int = 4,
    test: int = 10,
    shape: tuple[int, ...] = (48, 48, 48),
    classes: int = 2,
    seed: int = 0,
) -> None:
    """A data set as a plain folder: images/, labels/, train.list, test.list, dataset.yaml.

    Args:
        folder: made if it is not there.
        cases: training scans.
        labeled: how many of them have a label file: the first ones. The others have none on the disk.
        test: test scans, all with labels.
        shape: of every scan.
        classes: 2 or 4.
        seed: the same seed gives the same files.

    Raises:
        SettingsError: more labelled scans than training scans, or what `phantom_case` refuses.
    """
    if not 0 <= labeled <= cases:
        raise SettingsError(f"phantom: {labeled} labelled scans of {cases}; expected 0..{cases}.")
    names = [f"phantom_{i:03d}" for i in range(cases + test)]
    for i, name in enumerate(names):
        image, label = phantom_case(seed * 100_003 + i, shape, classes)  # a prime: data sets of two seeds share no scan
        write_label(folder / "images" / f"{name}.nii.gz", np.rint(image * GREY_LEVELS).astype(np.int16), Geometry())
        if i < labeled or i >= cases:
            write_label(folder / "labels" / f"{name}.nii.gz", label, Geometry())
    (folder / "train.list").write_text("\n".join(names[:cases]) + "\n", encoding="utf-8")
    if test:
        (folder / "test.list").write_text("\n".join(names[cases:]) + "\n", encoding="utf-8")
    (folder / "dataset.yaml").write_text(yaml.safe_dump({"name": "phantom", "classes": list(CLASS_NAMES[classes])}), encoding="utf-8")


def _smooth(random: np.random.Generator, shape: tuple[int, ...], width: float) -> Array:
    """A random field of mean 0 and deviation 1, without features smaller than `width` voxels. (*S)"""
    field: Array = ndimage.gaussian_filter(random.normal(size=shape), width, mode="wrap")
    normalized: Array = (field - field.mean()) / field.std()
    return normalized


def _bent_grid(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Coordinates in half shortest sides from the middle, moved by a smooth random field, which bends all that is drawn in them. (D, *S)"""
    unit = min(shape) / 2
    grid = np.stack(np.meshgrid(*[(np.arange(side) - (side - 1) / 2) / unit for side in shape], indexing="ij"))
    return grid + 0.09 * np.stack([_smooth(random, shape, 0.3 * unit) for _ in shape])


def _anatomy(random: np.random.Generator, points: Array) -> dict[str, Array]:
    """Truth of each part at each voxel, (*S) bool; a part lies in front of those after it."""
    dimensions = len(points)
    center = random.uniform(-0.18, 0.18, dimensions)
    radii = random.uniform(0.32, 0.46, dimensions)
    side = _direction(random, dimensions)
    chamber = _chamber(random, points, center, radii)
    wall = ndimage.binary_dilation(chamber, iterations=max(1, round(min(points.shape[1:]) / 32))) & ~chamber
    reach = float(np.linalg.norm(radii * side)) + random.uniform(0.3, 0.4)
    neighbor = _ellipsoid(points, center + reach * side, random.uniform(0.26, 0.38, dimensions)) & ~chamber & ~wall
    vessels = np.zeros_like(chamber)
    for _ in range(int(random.integers(3, 6))):
        place, axis = _direction(random, dimensions) * random.uniform(0.5, 0.75), _direction(random, dimensions)
        vessels |= _tube(points, place, axis, random.uniform(0.1, 0.5), random.uniform(0.09, 0.17), 0.0)
    body = _ellipsoid(points, np.zeros(dimensions), np.full(dimensions, random.uniform(0.88, 1.0)))
    return {"chamber": chamber, "wall": wall, "neighbor": neighbor & body, "vessels": vessels & body & ~wall & ~chamber, "body": body}


def _chamber(random: np.random.Generator, points: Array, center: Array, radii: Array) -> Array:
    dimensions = len(points)
    chamber = _ellipsoid(points, center, radii)
    bulge = _direction(random, dimensions)
    chamber |= _ellipsoid(points, center + 0.9 * radii * bulge, random.uniform(0.10, 0.16, dimensions))  # the appendage
    for _ in range(int(random.integers(2, 5))):
        axis = _direction(random, dimensions)
        length = float(np.linalg.norm(radii * axis)) + random.uniform(0.1, 0.25)
        chamber |= _tube(points, center, axis, length, random.uniform(0.06, 0.1), 0.3)  # a vein
    pieces, _ = ndimage.label(chamber)  # a thin vein, bent, may come apart
    largest: Array = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
    return largest


def _scanned(random: np.random.Generator, anatomy: dict[str, Array]) -> Array:
    """The scan of an anatomy: grey values that vary between scans, texture, blur, bias field, noise. (*S) float32"""
    shape = anatomy["body"].shape
    blood, tissue, air = random.uniform(0.55, 0.85), random.uniform(0.35, 0.5), random.uniform(0.03, 0.12)
    image = np.full(shape, air)
    image[anatomy["body"]] = tissue
    image += 0.09 * _smooth(random, shape, 2.0) * anatomy["body"]
    for part in ("vessels", "neighbor", "chamber"):
        image[anatomy[part]] = blood + random.uniform(-0.04, 0.04)
    image[anatomy["wall"]] = tissue * random.uniform(0.6, 0.95)
    image += 0.04 * _smooth(random, shape, 1.5)
    image = ndimage.gaussian_filter(image, random.uniform(0.6, 1.1))
    image *= np.exp(random.uniform(0.05, 0.2) * _smooth(random, shape, 0.4 * min(shape)))
    image += random.uniform(0.04, 0.12) * random.normal(size=shape)
    return image.astype(np.float32)


def _direction(random: np.random.Generator, dimensions: int) -> Array:
    vector = random.normal(size=dimensions)
    unit: Array = vector / np.linalg.norm(vector)
    return unit


def _ellipsoid(points: Array, center: Array, radii: Array) -> Array:
    inside: Array = (((_from(points, center).T / radii) ** 2).sum(-1) < 1).T
    return inside


def _tube(points: Array, start: Array, axis: Array, length: float, radius: float, taper: float) -> Array:
    """Points nearer than `radius` to a line of `length` from `start`; `taper` is the share of the radius that is lost towards its end."""
    offsets = _from(points, start)
    along = np.clip(np.tensordot(axis, offsets, 1), 0, length)
    distance = np.linalg.norm(offsets - axis.reshape(-1, *[1] * (points.ndim - 1)) * along, axis=0)
    inside: Array = distance < radius * (1 - taper * along / length)
    return inside


def _from(points: Array, place: Array) -> Array:
    return points - place.reshape(-1, *[1] * (points.ndim - 1))
