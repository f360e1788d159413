"""Draw the report's lines as plotly figures: the hypervolume's growth, learning curves, and parallel coordinates.

Parallel coordinates are lines over an ordinary axis, not plotly's own kind: that needs WebGL, which a headless or
locked-down browser lacks, and it has neither hover nor lines that differ in weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from results.charts.curves import ENDED_EARLY, WIDTH, Curve, CurveGroup, group_colours
from results.charts.encoding import Encoding
from results.charts.growth import growth, listed_runs, progress_axes, run_looks
from results.charts.parallel import ParallelLines, looks, wrapped
from results.charts.style import FAINT, INK, LINE, literal
from results.charts.web.front import LegendGroup, axis_title, blank_chart
from results.front.overview import Overview
from results.records.objectives import Objective

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

HEIGHT_PX = 330  # of a panel of the hypervolume
AXIS_WIDTH_PX = 112  # of parallel coordinates
DASHES, LINE_GLYPHS = ("solid", "dash", "dot"), ("━", "╍", "┅")  # of runs beyond the first seven, and the next


def hypervolume_charts(view: Overview) -> list[Figure]:
    """Return the growth of each run's hypervolume over ended trials, over time and over epochs."""
    charts = []
    for title, column, unit in progress_axes(view):
        chart = blank_chart(title, "hypervolume")
        chart.update_layout(height=HEIGHT_PX, margin={"l": 64, "r": 12, "t": 16, "b": 56})
        for (label, history), (_, colour, kind) in zip(view.histories.items(), run_looks(view), strict=True):
            shown = growth(history, column)
            chart.add_scatter(
                x=[0.0, *(shown[column] / unit).tolist()],
                y=[0.0, *shown["hypervolume"].tolist()],
                mode="lines+markers",
                line={"shape": "hv", "color": colour, "width": 2, "dash": DASHES[kind]},
                marker={"size": 4},
                text=["before the first trial ended", *_growth_texts(label, shown)],
                hovertemplate="%{text}<extra></extra>",
                showlegend=False,
            )
        chart.update_yaxes(rangemode="tozero")
        chart.update_xaxes(rangemode="tozero")
        charts.append(chart)
    return charts


def run_legend(view: Overview) -> list[LegendGroup]:
    """Return what the lines of several runs mean."""
    return [("", [(LINE_GLYPHS[kind], label, f"color:{colour}") for label, colour, kind in listed_runs(view)])]


def _growth_texts(label: str, history: pd.DataFrame) -> list[str]:
    return [
        f"{literal(label)}, after {row.trials} trials<br>hypervolume {row.hypervolume:.4g}"
        f"<br>{row.front_size} on the front<br>{row.epochs} epochs, {row.seconds:.0f} s"
        for row in history.itertuples()
    ]


def curve_chart(objective: Objective, groups: Sequence[CurveGroup]) -> Figure:
    """Return one objective over the epochs of every trial, named points in colour, trials that ended early faded."""
    chart = blank_chart("epoch", axis_title(objective))
    for group, colour in zip(groups, group_colours(groups), strict=True):
        early = group.kind in ENDED_EARLY
        # Many curves are one trace with gaps: hundreds of traces make a page slow.
        chart.add_scatter(
            **_joined(group.curves),
            mode="lines+markers" if group.kind == "named" else "lines",
            line={"color": colour, "width": WIDTH[group.kind], "dash": "dot" if early else "solid"},
            marker={"size": 6},
            name=literal(group.name),
            showlegend=False,
        )
        # A mark where a curve ended early, and for one of a single epoch.
        marked = [curve for curve in group.curves if early or (len(curve.epochs) == 1 and group.kind != "named")]
        if marked:
            symbol = "x-thin-open" if early else "circle"
            chart.add_scatter(
                **_joined([Curve(curve.title, curve.epochs[-1:], curve.values[-1:]) for curve in marked]),
                mode="markers",
                marker={"size": 5, "symbol": symbol, "color": colour, "line": {"width": 1.2}},
                showlegend=False,
            )
    return chart


def curve_legend(groups: Sequence[CurveGroup]) -> list[LegendGroup]:
    """Return what the lines mean; under the chart, since plotly's own takes half of it on a narrow screen."""
    lines = zip(groups, group_colours(groups), strict=True)
    return [("", [("┅" if g.kind in ENDED_EARLY else "━", g.name, f"color:{colour}") for g, colour in lines])]


def _joined(curves: Sequence[Curve]) -> dict[str, Any]:
    return {
        "x": [value for curve in curves for value in (*curve.epochs, None)],
        "y": [_rounded(value) for curve in curves for value in (*curve.values, None)],
        "text": [literal(curve.title) for curve in curves for _ in range(len(curve.epochs) + 1)],
        "hovertemplate": "%{text}<br>epoch %{x}: %{y:.4g}<extra></extra>",
    }


def _rounded(value: float | None) -> float | None:
    """Return a value with the digits that a screen can show: half the size of the page is such numbers."""
    return None if value is None else float(f"{value:.5g}")


def parallel_chart(view: Overview, encoding: Encoding, lines: ParallelLines) -> Figure:
    """Return one line per point over the axes of its parameters and objectives; the front's are coloured and on top.

    Each line of the front is a trace, for the page's script to colour; the others are as few traces as they can be.
    """
    chart = blank_chart("", "")
    for kind, colour, width, members in looks(encoding, lines):
        front = kind == "front"
        for group in [[member] for member in members] if front else [members]:
            rows = [lines.rows[n] for n in group for _ in range(len(lines.axes) + 1)]
            chart.add_scatter(
                **_crossings(lines.places[group]),
                mode="lines+markers" if front else "lines",
                line={"color": colour, "width": width},
                marker={"size": 5, "symbol": "circle"},
                meta={"rows": rows, "line": True} if front else {"rows": rows, "grey": True},
                hovertemplate="%{text}<extra></extra>",
                showlegend=False,
            )
    _draw_axes(chart, lines)
    return chart


def _crossings(places: np.ndarray) -> dict[str, Any]:
    """Return where lines cross the axes, (lines, axes), as one line with gaps."""
    axes = places.shape[1]
    up = np.hstack([places, np.full((len(places), 1), np.nan)]).ravel().tolist()
    return {
        "x": [*range(axes), None] * len(places),
        "y": [None if value != value else round(value, 4) for value in up],
    }


def _draw_axes(chart: Figure, lines: ParallelLines) -> None:
    count = len(lines.axes)
    line: dict[str, Any] = {"y0": 0, "y1": 1, "line": {"color": LINE, "width": 1}, "layer": "below"}
    beside: dict[str, Any] = {"showarrow": False, "xanchor": "left", "xshift": 5, "font": {"size": 11, "color": INK}}
    beside |= {"bgcolor": "rgba(255,255,255,0.75)", "borderpad": 0}
    ticks = [(n, place, text) for n, axis in enumerate(lines.axes) for place, text in axis.ticks]
    chart.update_layout(
        margin={"l": 8, "r": 8, "t": 72, "b": 12},
        shapes=[{"type": "line", "x0": n, "x1": n} | line for n in range(count)],
        annotations=[{"x": n, "y": place, "text": literal(text)} | beside for n, place, text in ticks],
    )
    chart.update_xaxes(
        tickvals=list(range(count)),
        ticktext=[wrapped(literal(axis.title), "<br>") for axis in lines.axes],
        tickangle=0,
        side="top",
        showgrid=False,
        showline=False,
        ticks="",
        range=[-0.5, count - 1 + 0.6],
        tickfont={"size": 12, "color": INK},
        linecolor=FAINT,
    )
    chart.update_yaxes(visible=False, range=[lines.lowest - 0.05, 1.05])
