"""Pictures as PNG bytes: slices of a scan with label and predictions, and the losses of a training."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from PIL import Image

from semiseg.case import Array

COLORS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#CC79A7", "#D55E00", "#0072B2")
"""One a class, repeated after seven. Okabe and Ito (2008): told apart with any kind of colour vision."""
DPI = 150
COLUMN, MARGIN, GAP, TITLE, LEGEND = 2.2, 0.3, 0.06, 0.5, 0.4  # inches of a picture of slices
CONTRAST = "Where they differ"
CONTRASTS = {1: "#2BC79A", 2: "#E0409F", 3: "#BBBBBB"}
SHORT, WIDEST = 20, 28
"""Letters of a title in large type, and of one line in small type, that a column takes."""


@dataclass(frozen=True, eq=False)
class Example:
    """One scan with what was drawn on it.

    Attributes:
        id: of the case.
        image: (*S), 2D or 3D, any range of intensities.
        label: (*S) class indices.
        predictions: (*S) class indices, by the name of the method.
        spacing: mm a voxel along each axis.
        remarks: a short line under a method's name, such as its Dice.
        maps: (*S) numbers in 0..1, by what they are; shown beside the predictions.
        contrast: (*S) where two predictions differ: 0 they agree, 1 the first is right, 2 the second, 3 neither.
    """

    id: str
    image: Array
    label: Array
    predictions: Mapping[str, Array]
    spacing: tuple[float, ...]
    remarks: Mapping[str, str] = field(default_factory=dict)
    maps: Mapping[str, Array] = field(default_factory=dict)
    contrast: Array | None = None

    def columns(self) -> list[str]:
        """What is shown of a slice, from left to right."""
        return ["Scan", "Label", *self.predictions, *([CONTRAST] if self.contrast is not None else []), *self.maps]


@dataclass(frozen=True)
class Plane:
    """One slice: `index` along `axis`; a 2D image is its own only slice (axis None)."""

    axis: int | None
    index: int = 0

    def cut(self, volume: Array) -> Array:
        """(*S) -> (height, width): the later of the two array axes points up."""
        flat = volume if self.axis is None else volume.take(self.index, self.axis)
        return flat.T

    def pixel(self, spacing: tuple[float, ...]) -> tuple[float, float]:
        """mm a pixel: (height, width)."""
        first, second = (s for axis, s in enumerate(spacing) if axis != self.axis)
        return second, first

    def size(self, shape: tuple[int, ...], spacing: tuple[float, ...]) -> tuple[float, float]:
        """mm of the slice: (height, width)."""
        width, height = (n for axis, n in enumerate(shape) if axis != self.axis)
        tall, wide = self.pixel(spacing)
        return height * tall, width * wide


def fullest_planes(label: Array, axes: Sequence[int]) -> list[Plane]:
    """Across each axis, the slice where the classes of `label` (*S) show most of themselves; the middle one where there is none."""
    return [Plane(axis, fullest_index(label, axis)) for axis in axes] if label.ndim == 3 else [Plane(None)]


def fullest_index(label: Array, axis: int) -> int:
    """Each class counts by its share of its own largest section, so that a small class is not outvoted."""
    others = tuple(other for other in range(label.ndim) if other != axis)
    shares = np.zeros(label.shape[axis])
    for index in np.unique(label[label > 0]):
        area = (label == index).sum(axis=others)
        shares += area / area.max()
    return int(shares.argmax()) if shares.any() else label.shape[axis] // 2


def slices_figure(example: Example, classes: Sequence[str], axes: Sequence[int] = (2, 1, 0), focus: Array | None = None) -> bytes:
    """A PNG: a row for each axis in `axes`; columns are the scan, the label and each prediction with the label's outline in white.

    Args:
        example: what is shown.
        classes: names of the foreground classes.
        axes: array axes that the slices are cut across; ignored in 2D.
        focus: (*S) class indices of which the slices shall show most, if not of the label.
    """
    planes = fullest_planes(example.label if focus is None else focus, axes)
    columns = example.columns()
    figure, grid = _grid([plane.size(example.image.shape, example.spacing) for plane in planes], len(columns))
    for plane, row in zip(planes, grid, strict=True):
        for axes_, title in zip(row, columns, strict=True):
            draw_slice(axes_, example, plane, title)
        if plane.axis is not None:
            row[0].set_ylabel(
                f"axis {plane.axis + 1}, slice {plane.index + 1} of {example.image.shape[plane.axis]}", color="0.75", fontsize=7
            )
    for axes_, title in zip(grid[0], columns, strict=True):
        add_title(axes_, example, title)
    add_legend(figure, classes, example)
    return small_png(figure)


def _grid(sizes: Sequence[tuple[float, float]], columns: int) -> tuple[Figure, list[list[Axes]]]:
    """Axes of equal width whose heights follow the slices' physical (height, width). On black, as scans are read."""
    heights = [COLUMN * height / width for height, width in sizes]
    width = MARGIN + columns * (COLUMN + GAP)
    height = TITLE + sum(heights) + GAP * len(heights) + LEGEND
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="black")
    FigureCanvasAgg(figure)
    grid, top = [], height - TITLE
    for tall in heights:
        boxes = [((MARGIN + i * (COLUMN + GAP)) / width, (top - tall) / height, COLUMN / width, tall / height) for i in range(columns)]
        grid.append([figure.add_axes(box) for box in boxes])
        top -= tall + GAP
    return figure, grid


def draw_slice(axes: Axes, example: Example, plane: Plane, title: str) -> None:
    """One column of `example.columns()`: the slice, and on it what the column is about."""
    height, width = plane.size(example.image.shape, example.spacing)
    low, high = np.percentile(example.image, (0.5, 99.5))
    how: dict[str, Any] = {"origin": "lower", "extent": (0, width, 0, height), "interpolation": "nearest"}
    if title in example.maps:
        axes.imshow(plane.cut(example.maps[title]).astype(np.float32), cmap="inferno", vmin=0, vmax=1, **how)
    else:
        axes.imshow(plane.cut(example.image), cmap="gray", vmin=low, vmax=max(high, low + 1e-6), **how)
    overlay = {"Label": example.label, **example.predictions}.get(title)
    if overlay is not None:
        axes.imshow(tint(plane.cut(overlay)), **how)
    if title == CONTRAST and example.contrast is not None:
        axes.imshow(tint(plane.cut(example.contrast), CONTRASTS, 0.75), **how)
    if title not in ("Scan", "Label"):
        _outline(axes, plane.cut(example.label), plane.pixel(example.spacing))
    axes.set(xticks=[], yticks=[], xlim=(0, width), ylim=(0, height), aspect="equal")
    axes.spines[:].set_visible(False)


def add_title(axes: Axes, example: Example, title: str) -> None:
    """The column's name and remark, all columns in the size that the longest name needs."""
    longest = max(len(name) for name in example.predictions) if example.predictions else 0
    remark = f"\n{example.remarks[title]}" if title in example.remarks else ""
    shown = title if remark else "\n".join(textwrap.wrap(title, WIDEST, max_lines=2))
    axes.set_title(shown + remark, color="white", fontsize=10 if longest <= SHORT else 8)


def tint(labels: Array, colors: Mapping[int, str] | None = None, opacity: float = 0.6) -> Array:
    """Class indices (height, width) -> RGBA (height, width, 4): each class in its colour, the scan shining through."""
    rgba = np.zeros((*labels.shape, 4))
    for index in map(int, np.unique(labels[labels > 0])):
        rgba[labels == index] = (*to_rgb(colors[index] if colors else COLORS[(index - 1) % len(COLORS)]), opacity)
    return rgba


def _outline(axes: Axes, labels: Array, pixel: tuple[float, float]) -> None:
    """Each class's border as a white line on a dark one, to be seen on any colour. A margin of background closes it at the scan's edge."""
    padded = np.pad(labels, 1)
    y, x = ((np.arange(n) - 0.5) * mm for n, mm in zip(padded.shape, pixel, strict=True))
    for index in np.unique(labels[labels > 0]):
        for color, points in (("black", 2.0), ("white", 1.0)):
            axes.contour(x, y, padded == index, levels=[0.5], colors=[color], linewidths=points)


def add_legend(figure: Figure, classes: Sequence[str], example: Example) -> None:
    """What the colours are."""
    handles: list[Patch | Line2D] = [Patch(color=COLORS[i % len(COLORS)], label=name) for i, name in enumerate(classes)]
    if example.predictions:
        handles.append(Line2D([], [], color="white", linewidth=1.0, label="outline of the label"))
    if example.contrast is not None:
        first, second = example.predictions
        told = {1: f"{first} is right", 2: f"{second} is right", 3: "neither is right"}
        handles += [Patch(color=CONTRASTS[number], label=text) for number, text in told.items()]
    figure.legend(handles=handles, loc="lower center", ncols=len(handles), frameon=False, labelcolor="white", fontsize=8)


def png(figure: Figure) -> bytes:
    """The same bytes for the same figure: no date and no version inside."""
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def small_png(figure: Figure) -> bytes:
    """As `png`, in 256 colours: a picture of scans takes a third, and looks the same."""
    with Image.open(io.BytesIO(png(figure))) as full:
        file = io.BytesIO()
        full.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(file, format="png", optimize=True)
    return file.getvalue()
