"""Owns the parallel coordinates of the report, as a plotly figure.

Drawn as lines over an ordinary axis, not with plotly's own kind: that needs WebGL, which a headless or locked-down
browser lacks, and it has neither hover nor lines that differ in weight.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from results.charts.encoding import Encoding
from results.charts.parallel import MISSING_PLACE, ParallelLines
from results.charts.web.front import FAINT, INK, LINE, blank_chart, hover_texts
from results.front.overview import Overview

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

OTHER_COLOUR, GUARD_COLOUR = "#b4bcc8", "#d6c795"
AXIS_WIDTH_PX = 112
TITLE_LETTERS = 14
MANY = 20  # more lines of the front than this are drawn thinner


def parallel_chart(view: Overview, encoding: Encoding, lines: ParallelLines) -> Figure:
    """Return one line per point over the axes of its parameters and objectives; the front's are coloured and on top."""
    chart = blank_chart("", "")
    hover = hover_texts(view)
    names = [str(name) for name in view.points.table["trial"]]
    for kind, colour, width, members in looks(encoding, lines):
        rows = [lines.rows[n] for n in members]
        # The whole configuration for the front alone: at every crossing of hundreds of lines it would be megabytes.
        texts = [hover[row] if kind == "front" else f"trial {html.escape(names[row])}" for row in rows]
        chart.add_trace(_trace(lines.places[members], texts, colour, width, front=kind == "front"))
    _draw_axes(chart, lines)
    return chart


def looks(encoding: Encoding, lines: ParallelLines) -> list[tuple[str, str, float, list[int]]]:
    """Return what is drawn alike, in the order of drawing: kind, colour, width in pixels, and positions of lines."""
    groups: dict[tuple[str, str, float], list[int]] = {}
    front_width = 2.0 if lines.verdicts.count("front") <= MANY else 1.2
    for number, (row, verdict) in enumerate(zip(lines.rows, lines.verdicts, strict=True)):
        look = ("front", encoding.colours[row], front_width) if verdict == "front" else ("dominated", OTHER_COLOUR, 0.8)
        groups.setdefault(("guard", GUARD_COLOUR, 0.8) if verdict == "guard" else look, []).append(number)
    order = ("guard", "dominated", "front")
    return [(*look, members) for look, members in sorted(groups.items(), key=lambda entry: order.index(entry[0][0]))]


def wrapped(title: str, separator: str) -> str:
    """Return an axis title in lines, broken after underscores and dots."""
    lines = [""]
    for part in re.findall(r"[^_.]+[_.]?|[_.]", title):
        if lines[-1] and len(lines[-1]) + len(part) > TITLE_LETTERS:
            lines.append("")
        lines[-1] += part
    return separator.join(lines)


def _trace(places: np.ndarray, texts: list[str], colour: str, width: float, *, front: bool) -> Any:
    import plotly.graph_objects as go

    axes = places.shape[1]
    gap = np.full((len(places), 1), np.nan)
    across = np.tile([*range(axes), np.nan], len(places))
    return go.Scatter(
        x=[None if value != value else int(value) for value in across],
        y=[None if value != value else round(value, 4) for value in np.hstack([places, gap]).ravel().tolist()],
        text=[text for text in texts for _ in range(axes + 1)],
        mode="lines+markers" if front else "lines",
        line={"color": colour, "width": width},
        marker={"size": 5},
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def _draw_axes(chart: Figure, lines: ParallelLines) -> None:
    count = len(lines.axes)
    missing = any(place == MISSING_PLACE for axis in lines.axes for place, _ in axis.ticks)
    chart.update_layout(
        margin={"l": 8, "r": 8, "t": 72, "b": 12},
        shapes=[
            {"type": "line", "x0": n, "x1": n, "y0": 0, "y1": 1, "line": {"color": LINE, "width": 1}, "layer": "below"}
            for n in range(count)
        ],
        annotations=[
            {
                "x": number,
                "y": place,
                "text": html.escape(text),
                "showarrow": False,
                "xanchor": "left",
                "xshift": 5,
                "font": {"size": 11, "color": INK},
                "bgcolor": "rgba(255,255,255,0.75)",
                "borderpad": 0,
            }
            for number, axis in enumerate(lines.axes)
            for place, text in axis.ticks
        ],
    )
    chart.update_xaxes(
        tickvals=list(range(count)),
        ticktext=[wrapped(html.escape(axis.title), "<br>") for axis in lines.axes],
        tickangle=0,
        side="top",
        showgrid=False,
        showline=False,
        ticks="",
        range=[-0.5, count - 1 + 0.6],
        tickfont={"size": 12, "color": INK},
        linecolor=FAINT,
    )
    chart.update_yaxes(visible=False, range=[(MISSING_PLACE if missing else 0) - 0.05, 1.05])
