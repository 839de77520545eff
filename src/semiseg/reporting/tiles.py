"""A picture of one slice for many methods: tiles in rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from semiseg.reporting.figures import (
    COLUMN,
    DPI,
    GAP,
    LEGEND,
    MARGIN,
    TITLE,
    Example,
    add_legend,
    add_title,
    draw_slice,
    fullest_planes,
    small_png,
)

PER_ROW = 4


def tiles_figure(example: Example, classes: Sequence[str]) -> bytes:
    """A PNG: the scan, its label, each prediction and each map on the slice that shows most of the label, `PER_ROW` beside each other.

    Of a 3D scan the slices across its thickest voxels are taken: the plane in which it was made.

    Args:
        example: what is shown.
        classes: names of the foreground classes.
    """
    axis = example.image.ndim - 1 - int(np.argmax(example.spacing[::-1]))
    (plane,) = fullest_planes(example.label, (axis,))
    tall, wide = plane.size(example.image.shape, example.spacing)
    columns, tile = example.columns(), COLUMN * min(tall / wide, 1.6)
    across, rows = min(PER_ROW, len(columns)), math.ceil(len(columns) / PER_ROW)
    width, height = MARGIN + across * (COLUMN + GAP), rows * (tile + TITLE) + LEGEND
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="black")
    FigureCanvasAgg(figure)
    for number, title in enumerate(columns):
        left = MARGIN + (number % PER_ROW) * (COLUMN + GAP)
        bottom = height - (number // PER_ROW + 1) * (tile + TITLE)
        axes = figure.add_axes((left / width, bottom / height, COLUMN / width, tile / height))
        draw_slice(axes, example, plane, title)
        add_title(axes, example, title)
    add_legend(figure, classes, example)
    return small_png(figure)
