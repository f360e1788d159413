"""Owns the learning curves of the report, as plotly figures."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from results.charts.curves import Curve, CurveGroup, Kind
from results.charts.encoding import CATEGORICAL
from results.charts.web.front import axis_title, blank_chart
from results.records.objectives import Objective
from results.report.page import colour_legend

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

COLOURS: dict[Kind, str] = {"failed": "#e3b9b0", "stopped": "#d6d9df", "other": "#b9c0ca", "front": "#7f8ea6"}
WIDTH: dict[Kind, float] = {"failed": 1.0, "stopped": 1.0, "other": 1.1, "front": 1.4, "named": 2.5}
ENDED_EARLY: tuple[Kind, ...] = ("stopped", "failed")


def curve_chart(objective: Objective, groups: Sequence[CurveGroup]) -> Figure:
    """Return one objective over the epochs of every trial, named points in colour, trials that ended early faded."""
    chart = blank_chart("epoch", axis_title(objective))
    for group, colour in zip(groups, group_colours(groups), strict=True):
        chart.add_trace(_lines(group, colour))
        ends = _ends(group, colour)
        if ends is not None:
            chart.add_trace(ends)
    return chart


def curve_legend(groups: Sequence[CurveGroup]) -> str:
    """Return what the lines mean; under the chart, since plotly's own takes half of it on a narrow screen."""
    lines = zip(groups, group_colours(groups), strict=True)
    return colour_legend([(group.name, colour, "┅ ×" if group.kind in ENDED_EARLY else "━") for group, colour in lines])


def group_colours(groups: Sequence[CurveGroup]) -> list[str]:
    """Return a colour per group; named ones get those of the palette in turn."""
    named = [group.name for group in groups if group.kind == "named"]
    return [
        COLOURS.get(group.kind) or CATEGORICAL[named.index(group.name) % len(CATEGORICAL)]  # in the palette's order
        for group in groups
    ]


def _lines(group: CurveGroup, colour: str) -> Any:
    """Return many curves as one trace with gaps: hundreds of traces make a page slow."""
    import plotly.graph_objects as go

    return go.Scatter(
        **_joined(group.curves),
        mode="lines+markers" if group.kind == "named" else "lines",
        line={"color": colour, "width": WIDTH[group.kind], "dash": "dot" if group.kind in ENDED_EARLY else "solid"},
        marker={"size": 6},
        name=html.escape(group.name),
        showlegend=False,
    )


def _ends(group: CurveGroup, colour: str) -> Any:
    """Return a mark where each curve ended early, and for curves of one epoch; None if there is none."""
    import plotly.graph_objects as go

    early = group.kind in ENDED_EARLY
    marked = [curve for curve in group.curves if early or (len(curve.epochs) == 1 and group.kind != "named")]
    if not marked:
        return None
    last = [Curve(curve.title, curve.epochs[-1:], curve.values[-1:]) for curve in marked]
    return go.Scatter(
        **_joined(last),
        mode="markers",
        marker={"size": 5, "symbol": "x-thin-open" if early else "circle", "color": colour, "line": {"width": 1.2}},
        showlegend=False,
    )


def _joined(curves: Sequence[Curve]) -> dict[str, Any]:
    return {
        "x": [value for curve in curves for value in (*curve.epochs, None)],
        "y": [_rounded(value) for curve in curves for value in (*curve.values, None)],
        "text": [html.escape(curve.title) for curve in curves for _ in range(len(curve.epochs) + 1)],
        "hovertemplate": "%{text}<br>epoch %{x}: %{y:.4g}<extra></extra>",
    }


def _rounded(value: float | None) -> float | None:
    """Return a value with the digits that a screen can show: half the size of the page is such numbers."""
    return None if value is None else float(f"{value:.5g}")
