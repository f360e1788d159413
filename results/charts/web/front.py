"""Draw the front as plotly figures, with its legend, and what all charts of the report have in common."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from results.charts.encoding import Encoding
from results.charts.labels import HORIZONTAL, VERTICAL, Scene, place_labels
from results.charts.outline import (
    attained_outline,
    line_samples,
    named_points,
    reference_shown,
    staircase,
    steps_of_lines,
    volume_shown,
)
from results.charts.style import FAINT, GRID, INK, LINE, SEED_ALPHA, SHADE, SOFT, axis_limits, literal, outside_note
from results.front.overview import Overview, Verdict
from results.front.points import Points
from results.records.objectives import Objective, objective_values

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

GLYPHS = ("●", "■", "▲", "◆", "▼", "✚", "✖")  # in the legend
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x")  # the last: not set
# Room for a title of two lines and ticks of six characters. Plotly's own measuring of margins draws everything twice:
# 0.6 s instead of 0.3 s for 5,000 points.
LEFT_PX = 92
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
MARGINS = {"l": LEFT_PX, "r": 16, "t": 24, "b": 64}
HEIGHT_PX = 430
# Labels are placed once, for the narrowest and the widest page.
WIDTHS_PX = (340, 998)
LETTER_PX, LINE_PX, LABEL_DISTANCES_PX, NEAR_PX = 7.6, 18.0, (18.0, 28.0, 42.0), 7.0
OPACITY: dict[Verdict, float] = {"guard": 0.8, "dominated": 0.4, "front": 1.0}
SIZE: dict[Verdict, int] = {"guard": 8, "dominated": 8, "front": 12}
KIND_STYLE: dict[Verdict, str] = {"guard": "", "dominated": "opacity:.4", "front": ""}
# In the order of drawing: the front on top.
VERDICTS: dict[Verdict, str] = {"guard": "breaks a guard", "dominated": "dominated", "front": "on the front"}
LegendGroup = tuple[str, Sequence[tuple[str, str, str]]]  # its title; glyph, label and CSS of each entry


def front_charts(view: Overview, encoding: Encoding) -> list[Figure]:
    """Return a chart per pair of objectives; with one objective, one over the order of the trials.

    Traces that stand for points have the points' rows in `meta`: the page's script writes their hover boxes, and
    colours them anew.
    """
    values, seeds = (objective_values(table, view.objectives) for table in (view.points.table, view.trials))
    pairs = list(combinations(range(len(view.objectives)), 2))
    if not pairs:
        order = np.arange(1, len(values) + 1, dtype=float)
        chart = blank_chart(f"{view.unit}, in the order of the record", axis_title(view.objectives[0]))
        _seeds(chart, view, encoding, np.column_stack([order[view.points.owner], seeds]))
        return [_points(chart, view, encoding, np.column_stack([order, values]), (None, 0), None)]
    charts = []
    for x, y in pairs:
        chart = blank_chart(axis_title(view.objectives[x]), axis_title(view.objectives[y]))
        ranges = [axis_limits(view, values[:, n], view.objectives[n].reference, seeds[view.seeds, n]) for n in (x, y)]
        chart.update_layout(xaxis_range=ranges[0], yaxis_range=ranges[1])
        note = outside_note(view, values[:, [x, y]], *ranges)
        chart.update_layout(title={"text": note, "x": 1, "xanchor": "right", "font": {"size": 12, "color": FAINT}})
        if len(pairs) == 1 and len(view.front):
            _staircase(chart, view)
        _seeds(chart, view, encoding, seeds[:, [x, y]])
        charts.append(_points(chart, view, encoding, values[:, [x, y]], (x, y), np.transpose(ranges)))
        if len(pairs) == 1 and len(view.front) and reference_shown(view, *ranges):
            _reference(chart, view)
    return charts


def front_legend(view: Overview) -> list[LegendGroup]:
    """Return what fillings and lines mean, as far as they occur."""
    kinds = {title: kind for kind, title in reversed(VERDICTS.items()) if kind in view.verdicts}
    shown = [("○" if kind == "guard" else "●", title, KIND_STYLE[kind]) for title, kind in kinds.items()]
    shown += [("┄", "goes on at another value", f"color:{SOFT}")] if steps_of_lines(view) else []
    shown += [("●", "one seed", "opacity:.5;font-size:60%")] if view.points.repeated else []
    shown += [("◎", "has a name", "")] if named_points(view) else []
    if len(view.objectives) == 2 and len(view.front):
        title, inside = volume_shown(view)
        shown.append(("■", title, f"color:{SHADE};-webkit-text-stroke:1px {FAINT}"))
        shown += [("✛", "reference point", "")] if inside else []
    return [(f"{view.unit}s", shown)] if shown else []


def encoding_legend(encoding: Encoding) -> list[LegendGroup]:
    """Return what colours and markers mean."""
    colours = [(GLYPHS[mark], label, f"color:{colour}") for label, colour, mark in encoding.colour_legend]
    markers = [(GLYPHS[number], label, "") for label, number in encoding.marker_legend]
    groups: list[LegendGroup] = [(encoding.colour_title, colours), (encoding.marker_title, markers)]
    return [group for group in groups if group[1]]


def blank_chart(x: str, y: str) -> Figure:
    """Return a chart without data; the axes' titles may hold plotly's small HTML."""
    import plotly.graph_objects as go

    chart = go.Figure()
    chart.update_layout(
        template="none",
        height=HEIGHT_PX,
        margin=MARGINS,
        font={"family": FONT, "size": 13, "color": INK},
        hoverlabel={"bgcolor": "white", "bordercolor": FAINT, "font": {"color": INK}, "align": "left"},
        paper_bgcolor="white",
        plot_bgcolor="white",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "traceorder": "normal", "font_size": 12},
        hovermode="closest",
        dragmode=False,
    )
    line = {"gridcolor": GRID, "zeroline": False, "linecolor": FAINT, "ticks": "outside", "tickcolor": FAINT}
    chart.update_xaxes(title={"text": x, "standoff": 8, "font": {"size": 13}}, **line)
    chart.update_yaxes(title={"text": y, "standoff": 8, "font": {"size": 13}}, **line)
    return chart


def axis_title(objective: Objective) -> str:
    """Return what an axis of an objective is called."""
    return f"{literal(objective.label)}<br>{objective.better}"


def _staircase(chart: Figure, view: Overview) -> None:
    closed = np.vstack([attained_outline(view), [objective.reference for objective in view.objectives]])
    area: dict[str, Any] = {"line": {"width": 0}, "fill": "toself", "fillcolor": SHADE}
    line: dict[str, Any] = {"line": {"color": LINE, "width": 2}}
    for corners, style in ((closed, area), (staircase(view), line)):
        x, y = corners.T.tolist()
        chart.add_scatter(x=x, y=y, mode="lines", hoverinfo="skip", showlegend=False, **style)


def _reference(chart: Figure, view: Overview) -> None:
    x, y = ([objective.reference] for objective in view.objectives)
    marker = {"symbol": "cross-thin", "size": 13, "line": {"width": 2, "color": INK}}
    text = "reference point of the hypervolume<extra></extra>"
    chart.add_scatter(x=x, y=y, mode="markers", marker=marker, hovertemplate=text, showlegend=False)


def _seeds(chart: Figure, view: Overview, encoding: Encoding, places: np.ndarray) -> None:
    """Draw every seed of the points that count faintly; `places` are those of all trials, (trials, 2)."""
    if not len(view.seeds):
        return
    owners = view.points.owner[view.seeds].tolist()
    colours = [encoding.colours[row] for row in owners]
    names = view.trials["trial"].iloc[view.seeds]
    x, y = places[view.seeds].T.tolist()
    chart.add_scatter(
        x=x,
        y=y,
        mode="markers",
        marker={"size": 4, "opacity": SEED_ALPHA, "color": colours, "symbol": "circle"},
        meta={"rows": owners, "seed": True},
        text=[f"trial {literal(str(name))}, one seed of a point" for name in names],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def _points(
    chart: Figure,
    view: Overview,
    encoding: Encoding,
    points: np.ndarray,
    axes: tuple[int | None, int],
    limits: np.ndarray | None,
) -> Figure:
    """Draw the points; `axes` are the objectives on x and y, None for none, limits those of the axes, (2, axes)."""
    steps: list[Any] = [
        place for ends in steps_of_lines(view) for place in (*points[list(ends)].tolist(), [None, None])
    ]
    if steps:
        x, y = zip(*steps, strict=True)
        chart.add_scatter(
            x=x, y=y, mode="lines", line={"color": SOFT, "width": 1, "dash": "dot"}, hoverinfo="skip", showlegend=False
        )
    for verdict, title in VERDICTS.items():
        rows = [row for row, of_row in enumerate(view.verdicts) if of_row == verdict]
        hollow = "-open" if verdict == "guard" else ""
        bars = [None if hollow or number is None else _error_bars(view.points, rows, number) for number in axes]
        x, y = points[rows].T.tolist()
        chart.add_scatter(
            x=x,
            y=y,
            mode="markers",
            marker={
                "color": [encoding.colours[row] for row in rows],
                "symbol": [SYMBOLS[encoding.markers[row]] + hollow for row in rows],
                "size": SIZE[verdict],
                "opacity": OPACITY[verdict],
                "line": {"width": 1.5 if hollow else 1, "color": None if hollow else "white"},
            },
            error_x=bars[0],
            error_y=bars[1],
            meta={"rows": rows, "hollow": bool(hollow)},
            hovertemplate="%{text}<extra></extra>",
            name=title,
            showlegend=False,
        )
    _name_points(chart, view, points, limits)
    return chart


def _error_bars(points: Points, rows: list[int], objective: int) -> dict[str, Any] | None:
    """Return plotly's error bars of some points in one objective; None where none has a spread."""
    std = points.std[rows, objective]
    if not np.isfinite(std).any():
        return None
    array = [value if np.isfinite(value) else None for value in std.tolist()]
    return {"type": "data", "array": array, "thickness": 1, "width": 2, "color": LINE}


def _name_points(chart: Figure, view: Overview, points: np.ndarray, limits: np.ndarray | None) -> None:
    """Ring the points with names, and lead from each to its name."""
    names = sorted(named_points(view).items(), key=lambda item: "knee" not in item[1].split(" + "))
    if not names:
        return
    named = points[[row for row, _ in names]]
    rings = {"symbol": "circle-open", "size": 19, "color": INK, "line": {"width": 1.6}}
    x, y = named.T.tolist()
    chart.add_scatter(x=x, y=y, mode="markers", marker=rings, hoverinfo="skip", showlegend=False)
    shown = points[[verdict != "unfinished" for verdict in view.verdicts]]
    if limits is None:
        limits = np.stack([shown.min(axis=0), shown.max(axis=0)])
    low, extent = limits[0], np.where(limits[1] > limits[0], limits[1] - limits[0], 1.0)
    scenes = []
    for width in WIDTHS_PX:
        size = np.array([width - LEFT_PX - MARGINS["r"], HEIGHT_PX - MARGINS["t"] - MARGINS["b"]], dtype=float)
        drawn = (named, shown, line_samples(view))
        at = [(places - low) / extent * size for places in drawn]
        scenes.append(Scene((0.0, 0.0, float(size[0]), float(size[1])), *at))
    sizes = np.array([[LETTER_PX * len(text) + 4, LINE_PX] for _, text in names])
    places = place_labels(scenes, sizes, LABEL_DISTANCES_PX, NEAR_PX)
    line: dict[str, Any] = {"arrowcolor": LINE, "arrowwidth": 1, "arrowhead": 0, "standoff": 9}
    box: dict[str, Any] = {"bgcolor": "rgba(255,255,255,0.8)", "borderpad": 1}
    for (_, text), place, (x, y) in zip(names, places, named.tolist(), strict=True):
        side = {"xanchor": HORIZONTAL[place.direction[0]], "yanchor": VERTICAL[place.direction[1]]}
        chart.add_annotation(x=x, y=y, text=f"<b>{text}</b>", ax=place.x, ay=-place.y, **side, **line, **box)
