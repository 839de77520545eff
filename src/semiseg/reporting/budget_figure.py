"""A picture of Dice over label budgets: one line a method, its intervals, and the fitted curve where there is one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from semiseg.evaluation.efficiency import Budget, Efficiency
from semiseg.reporting.figures import DPI, png
from semiseg.reporting.palette import page_colors, series_color, styled

SPREAD = 0.012
"""How far methods stand apart along the axis, as a share of it, so that their intervals do not cover each other."""


def budget_figure(curves: Mapping[str, Efficiency], dark: bool = False) -> bytes:
    """A PNG: mean Dice with its interval at each label budget.

    Args:
        curves: by the name of the method. A fit is drawn as a line with its interval, dashed beyond what was trained; without a fit,
            straight lines join the points.
        dark: drawn for a dark page.
    """
    ink, paper = page_colors(dark)
    figure = Figure(figsize=(8.8, 4.2), dpi=DPI, facecolor=paper, layout="constrained")
    axes = figure.subplots()
    budgets = sorted({budget.labels for curve in curves.values() for budget in curve.budgets})
    for number, (name, curve) in enumerate(curves.items()):
        shift = (budgets[-1] / budgets[0]) ** (SPREAD * (number - (len(curves) - 1) / 2))
        draw_points(axes, name, curve.budgets, shift, series_color(number, dark), joined=curve.plateau is None)
        if curve.plateau is not None:
            draw_fit(axes, curve, series_color(number, dark), banded=len(curves) == 1)
    axes.set_xscale("log")
    axes.set_xticks(budgets, [str(n) for n in budgets])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("labelled scans (patients)", color=ink, fontsize=9)
    axes.set_ylabel("mean Dice", color=ink, fontsize=9)
    styled(axes, dark)
    axes.legend(frameon=False, labelcolor=ink, fontsize=8, loc="lower right")
    return png(figure)


def draw_points(axes: Axes, name: str, budgets: tuple[Budget, ...], shift: float, color: str, joined: bool) -> None:
    """Means and their intervals."""
    x, y = np.array([b.labels for b in budgets]) * shift, np.array([b.mean for b in budgets])
    ends = np.array([[b.mean - b.interval.low, b.interval.high - b.mean] for b in budgets]).T
    errors = None if np.isnan(ends).any() else ends
    axes.errorbar(x, y, errors, fmt="o", color=color, linewidth=1, capsize=2.5, markersize=5, label=name)
    if joined:
        axes.plot(x, y, color=color, linewidth=1.2, alpha=0.8)


def draw_fit(axes: Axes, curve: Efficiency, color: str, banded: bool) -> None:
    """The curve, solid where it was trained, and the band of its interval where no other band would cover it."""
    assert curve.plateau is not None
    grid, low, high = curve.band
    trained = grid <= curve.budgets[-1].labels * (1 + 1e-9)
    inside = np.append(grid[trained], curve.budgets[-1].labels)
    axes.plot(inside, curve.plateau.dice(inside), color=color, linewidth=1.6)
    beyond = np.insert(grid[~trained], 0, curve.budgets[-1].labels)
    axes.plot(beyond, curve.plateau.dice(beyond), color=color, linewidth=1.6, linestyle="--")
    if banded:
        axes.fill_between(grid, low, high, color=color, alpha=0.15, linewidth=0)
