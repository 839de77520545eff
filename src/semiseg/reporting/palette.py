"""How curves look on a light and on a dark page."""

from __future__ import annotations

from matplotlib.axes import Axes

SERIES = {
    False: ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#7A6A00", "#3A3A3A"),
    True: ("#56B4E9", "#E69F00", "#2BC79A", "#E3A1C6", "#F0E442", "#C8C8C8"),
}
"""One a method, repeated after six. After Okabe and Ito (2008), darker or lighter where the page needs it."""


def page_colors(dark: bool) -> tuple[str, str]:
    """Ink and paper."""
    return ("#d8dce2", "#14171c") if dark else ("#333333", "#ffffff")


def series_color(number: int, dark: bool) -> str:
    """Of the method at this place."""
    return SERIES[dark][number % len(SERIES[dark])]


def styled(axes: Axes, dark: bool) -> None:
    """Two axes in ink, faint lines to read values by, no frame."""
    ink, paper = page_colors(dark)
    axes.set_facecolor(paper)
    axes.tick_params(colors=ink, labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(ink)
    axes.grid(axis="y", color=ink, alpha=0.15, linewidth=0.7)
    axes.set_axisbelow(True)
