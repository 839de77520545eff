"""A picture of the scores of every test scan: one row of dots a method, with its median."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from semiseg.reporting.figures import COLORS, DPI, png

ROW = 0.45
"""Inches of a method's row."""


def case_distribution(dices: Mapping[str, Sequence[float]], dark: bool = False) -> bytes:
    """A PNG: a dot for the Dice of each scan, spread upwards where dots would cover each other, and a bar at the median.

    Args:
        dices: of the scans, by the name of the method.
        dark: drawn for a dark page.
    """
    ink, paper = ("#d8dce2", "#14171c") if dark else ("#333333", "#ffffff")
    figure = Figure(figsize=(8.8, 0.8 + ROW * len(dices)), dpi=DPI, facecolor=paper, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for row, values in enumerate(dices.values()):
        axes.plot(values, row + stacked(values), "o", color=COLORS[1] if dark else COLORS[6], markersize=3.5, markeredgewidth=0, alpha=0.75)
        axes.plot([np.median(values)] * 2, [row - 0.35, row + 0.35], color=ink, linewidth=2)
    axes.set(yticks=range(len(dices)), yticklabels=list(dices), ylim=(len(dices) - 0.5, -0.5), facecolor=paper)
    axes.set_xlabel("Dice of a scan, mean over classes", color=ink, fontsize=8)
    axes.tick_params(colors=ink, labelsize=8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(ink)
    return png(figure)


def stacked(values: Sequence[float], bins: int = 60) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Offsets within -0.3..0.3 that lay the values of one bin beside each other: the same picture for the same values."""
    array = np.asarray(values, dtype=np.float64)
    width = max(float(np.ptp(array)), 1e-9) / bins
    bin_of = ((array - array.min()) / width).astype(int)
    offsets = np.zeros(len(array))
    for number in np.unique(bin_of):
        members = np.flatnonzero(bin_of == number)
        step = min(0.12, 0.6 / len(members))
        offsets[members] = (np.arange(len(members)) - (len(members) - 1) / 2) * step
    return offsets
