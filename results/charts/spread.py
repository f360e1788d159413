"""Owns how the spread over seeds is drawn, in print and in the report: thin bars on means, a faint dot per seed."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import numpy as np

from results.charts.encoding import Encoding
from results.front.overview import Overview
from results.front.points import Points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SEED_SIZE, SEED_ALPHA = 9, 0.45
# Dark, above the markers and with ends: a spread is often smaller than its marker, and may lie along the staircase.
BAR_COLOUR, BAR_WIDTH, BAR_END_POINTS, BAR_LAYER = "#1f2937", 0.8, 1.6, 6
BAR_ALPHA = {"front": 0.9, "dominated": 0.3}


def draw_spread(
    axes: Axes, view: Overview, encoding: Encoding, means: np.ndarray, seeds: np.ndarray, std: np.ndarray
) -> None:
    """Draw the spread of every point that counts and has several seeds; nothing where none has.

    Args:
        axes: Where to.
        view: What is drawn.
        encoding: How points look.
        means: Place of each point, (points, 2).
        seeds: Place of each trial of `view.seeds`, (seeds, 2).
        std: Half the length of each point's bars, (points, 2); NaN draws none.
    """
    owner = view.points.owner[view.seeds]
    colours = [encoding.colours[row] for row in owner]
    axes.scatter(seeds[:, 0], seeds[:, 1], s=SEED_SIZE, c=colours, alpha=SEED_ALPHA, linewidths=0, zorder=3)
    rows = np.unique(owner)
    verdicts = np.array([view.verdicts[row] for row in rows], dtype=object)
    for verdict, alpha in BAR_ALPHA.items():  # one call for many bars: a call for each takes 20 s for 1,600 points
        chosen = rows[verdicts == verdict]
        bars = np.where(std[chosen] > 0, std[chosen], np.nan)  # no bar, nor its ends, where there is no spread
        axes.errorbar(
            means[chosen, 0],
            means[chosen, 1],
            xerr=bars[:, 0],
            yerr=bars[:, 1],
            fmt="none",
            ecolor=BAR_COLOUR,
            elinewidth=BAR_WIDTH,
            capsize=BAR_END_POINTS,
            capthick=BAR_WIDTH,
            alpha=alpha,
            zorder=BAR_LAYER,
        )


def seed_trace(view: Overview, encoding: Encoding, seeds: np.ndarray) -> Any:
    """Return the seeds of the points that count as plotly's trace.

    Args:
        view: What is drawn.
        encoding: How points look.
        seeds: Place of each trial of `view.seeds`, (seeds, 2).
    """
    import plotly.graph_objects as go

    names = view.trials["trial"].iloc[view.seeds]
    return go.Scatter(
        x=seeds[:, 0].tolist(),
        y=seeds[:, 1].tolist(),
        mode="markers",
        marker={
            "size": 4,
            "opacity": SEED_ALPHA,
            "color": [encoding.colours[r] for r in view.points.owner[view.seeds]],
        },
        text=[f"trial {html.escape(str(name))}, one seed of a point" for name in names],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def error_bars(points: Points, rows: list[int], objective: int, colour: str) -> dict[str, Any] | None:
    """Return plotly's error bars of some points in one objective; None where none has a spread."""
    std = points.std[rows, objective]
    if not np.isfinite(std).any():
        return None
    array = [value if np.isfinite(value) else None for value in std.tolist()]
    return {"type": "data", "array": array, "thickness": 1, "width": 2, "color": colour}
