"""Pictures of how a training went: its losses, and the health of its pseudo-labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from semiseg.reporting.figures import DPI, png
from semiseg.reporting.palette import page_colors, series_color, styled
from semiseg.training.health import AGREEMENT, CHANGE, FLOOR, looks_of, volumes

ACROSS, PANEL = 3, (3.6, 2.5)
"""Panels in a row, and inches of one."""
SHOWN_VOLUMES = (0.02, 4.0)
"""Ends of the axis of volumes; what is outside lies on its border."""
Rows = Sequence[Mapping[str, Any]]


def loss_curves(logs: Mapping[str, Rows], dark: bool = False) -> bytes:
    """A PNG: the sum of the losses over the steps, one panel a method (sums of different terms share no scale).

    Args:
        logs: rows of log.csv of each run, by the name of the method. Dashed lines mark where a stage ends.
        dark: drawn for a dark page.
    """
    figure, panels = grid(len(logs), dark)
    for axes, (name, rows) in zip(panels, logs.items(), strict=True):
        axes.plot([int(row["step"]) for row in rows], [float(row["loss"]) for row in rows], color=series_color(0, dark), linewidth=1.2)
        mark_stages(axes, rows, dark)
        titled(axes, name, dark)
        axes.set_ylim(0, None)
    return png(figure)


def health_curves(logs: Mapping[str, Rows], dark: bool = False) -> bytes:
    """A PNG: of each run, the volume of the pseudo-labels of each class as a multiple of the labels', on a logarithmic axis.

    Args:
        logs: rows of log.csv of each run that was looked at, by the name of the method.
        dark: drawn for a dark page.
    """
    ink, _ = page_colors(dark)
    figure, panels = grid(len(logs), dark)
    for axes, (name, rows) in zip(panels, logs.items(), strict=True):
        for number, (label, looks) in enumerate(volumes(rows).items()):
            shown = [min(max(volume, SHOWN_VOLUMES[0]), SHOWN_VOLUMES[1]) for _, volume in looks]
            axes.plot([step for step, _ in looks], shown, ".-", color=series_color(number, dark), linewidth=1.2, label=label)
        axes.axhline(1, color=ink, linewidth=0.8)
        axes.axhline(FLOOR, color=series_color(1, dark), linewidth=0.8, linestyle=":")
        axes.set_yscale("log")
        axes.set_ylim(SHOWN_VOLUMES[0] / 1.15, SHOWN_VOLUMES[1])
        axes.yaxis.set_major_locator(FixedLocator([0.02, 0.1, 0.5, 1, 2, 4]))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.legend(frameon=False, labelcolor=ink, fontsize=7, loc="lower right")
        titled(axes, name, dark)
    return png(figure)


def agreement_curves(logs: Mapping[str, Rows], dark: bool = False) -> bytes:
    """A PNG: of each run, how far its two views agree in the foreground, and how much of it changed since the look before.

    Args:
        logs: as in `health_curves`.
        dark: drawn for a dark page.
    """
    ink, _ = page_colors(dark)
    figure, panels = grid(len(logs), dark)
    for axes, (name, rows) in zip(panels, logs.items(), strict=True):
        for number, (column, label) in enumerate({AGREEMENT: "the two views agree", CHANGE: "changed since the last look"}.items()):
            looks = [(step, value) for step, value in looks_of(rows, column) if not math.isnan(value)]
            if looks:
                axes.plot(*zip(*looks, strict=True), ".-", color=series_color(number, dark), linewidth=1.2, label=label)
        axes.set_ylim(0, 1.02)
        axes.legend(frameon=False, labelcolor=ink, fontsize=7, loc="center right")
        titled(axes, name, dark)
    return png(figure)


def grid(count: int, dark: bool) -> tuple[Figure, list[Axes]]:
    """So many panels, `ACROSS` in a row; a single one is wider."""
    across, down = min(count, ACROSS), math.ceil(count / ACROSS)
    size = (6.6, PANEL[1]) if count == 1 else (across * PANEL[0], down * PANEL[1])
    figure = Figure(figsize=size, dpi=DPI, facecolor=page_colors(dark)[1], layout="constrained")
    panels = list(figure.subplots(down, across, squeeze=False).flat)
    for empty in panels[count:]:
        empty.remove()
    for axes in panels[:count]:
        styled(axes, dark)
    return figure, panels[:count]


def titled(axes: Axes, name: str, dark: bool) -> None:
    """The run's name above, steps below."""
    ink, _ = page_colors(dark)
    axes.set_title(name, color=ink, fontsize=9)
    axes.set_xlabel("step", color=ink, fontsize=8)


def mark_stages(axes: Axes, rows: Rows, dark: bool) -> None:
    """A dashed line at the end of each stage but the last."""
    for row, after in pairwise(rows):
        if row["stage"] != after["stage"]:
            axes.axvline(int(row["step"]), color=page_colors(dark)[0], linewidth=0.8, linestyle="--")
