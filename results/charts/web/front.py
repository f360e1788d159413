"""Draw the front as plotly figures, with its legend, and what all charts of the report have in common."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from results.charts.outline import attained_outline, named_points, staircase, steps_of_lines
from results.charts.style import (
    FAINT,
    GRID,
    INK,
    LINE,
    SEED_ALPHA,
    SHADE,
    SOFT,
    Encoding,
    axis_limits,
    literal,
    outside_note,
)
from results.front.overview import Overview, Verdict
from results.front.points import Points
from results.records.objectives import Objective, objective_values
from results.records.text import short

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

GLYPHS = ("●", "■", "▲", "◆", "▼", "✚")  # in the legend
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")
# Room for a title of two lines and ticks of six characters. Plotly's own measuring of margins draws everything twice:
# 0.6 s instead of 0.3 s for 5,000 points.
LEFT_PX = 92
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
# Below left first, where no trial can be when both objectives are minimised; y points down.
LABEL_OFFSETS = ((-26, 24), (30, -26), (-26, -26), (30, 24), (0, 48), (0, -48))
LABEL_PX, NARROW_PX = np.array([56.0, 18.0]), np.array([260.0, 300.0])
OPACITY: dict[Verdict, float] = {"guard": 0.8, "dominated": 0.4, "front": 1.0}
SIZE: dict[Verdict, int] = {"guard": 8, "dominated": 8, "front": 12}
KIND_STYLE: dict[Verdict, str] = {"guard": "", "dominated": "opacity:.4", "front": ""}
# In the order of drawing: the front on top.
VERDICTS: dict[Verdict, str] = {"guard": "breaks a guard", "dominated": "dominated", "front": "on the front"}
LegendGroup = tuple[str, Sequence[tuple[str, str, str]]]  # its title; glyph, label and CSS of each entry


def front_charts(view: Overview, encoding: Encoding) -> list[Figure]:
    """Return a chart per pair of objectives; with one objective, one over the order of the trials."""
    values, seeds = (objective_values(table, view.objectives) for table in (view.points.table, view.trials))
    pairs = list(combinations(range(len(view.objectives)), 2))
    if not pairs:
        order = np.arange(1, len(values) + 1, dtype=float)
        chart = blank_chart(f"{view.unit}, in the order of the record", axis_title(view.objectives[0]))
        _seeds(chart, view, encoding, np.column_stack([order[view.points.owner], seeds]))
        return [_points(chart, view, encoding, np.column_stack([order, values]), (None, 0))]
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
        charts.append(_points(chart, view, encoding, values[:, [x, y]], (x, y)))
    return charts


def front_legend(view: Overview, encoding: Encoding) -> list[LegendGroup]:
    """Return what colours, markers and fillings mean, as far as they occur."""
    kinds = {title: kind for kind, title in reversed(VERDICTS.items()) if kind in view.verdicts}
    shown = [("○" if kind == "guard" else "●", title, KIND_STYLE[kind]) for title, kind in kinds.items()]
    shown += [("┄", "goes on at another value", f"color:{SOFT}")] if steps_of_lines(view) else []
    shown += [("●", "one seed", "opacity:.5;font-size:60%")] if view.points.repeated else []
    groups: list[LegendGroup] = [
        (encoding.colour_title, [("●", label, f"color:{colour}") for label, colour in encoding.colour_legend]),
        (encoding.marker_title, [(GLYPHS[number], label, "") for label, number in encoding.marker_legend]),
        (f"{view.unit}s", shown),
    ]
    return [group for group in groups if group[1]]


def blank_chart(x: str, y: str) -> Figure:
    """Return a chart without data; the axes' titles may hold plotly's small HTML."""
    import plotly.graph_objects as go

    chart = go.Figure()
    chart.update_layout(
        template="none",
        height=430,
        margin={"l": LEFT_PX, "r": 16, "t": 24, "b": 64},
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


def _seeds(chart: Figure, view: Overview, encoding: Encoding, places: np.ndarray) -> None:
    """Draw every seed of the points that count faintly; `places` are those of all trials, (trials, 2)."""
    if not len(view.seeds):
        return
    colours = [encoding.colours[row] for row in view.points.owner[view.seeds]]
    names = view.trials["trial"].iloc[view.seeds]
    x, y = places[view.seeds].T.tolist()
    chart.add_scatter(
        x=x,
        y=y,
        mode="markers",
        marker={"size": 4, "opacity": SEED_ALPHA, "color": colours},
        text=[f"trial {literal(str(name))}, one seed of a point" for name in names],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def _points(
    chart: Figure, view: Overview, encoding: Encoding, points: np.ndarray, axes: tuple[int | None, int]
) -> Figure:
    """Draw the points; `axes` are the objectives on x and y, None for none."""
    hover = hover_texts(view)
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
            text=[hover[row] for row in rows],
            hovertemplate="%{text}<extra></extra>",
            name=title,
            showlegend=False,
        )
    _name_points(chart, view, points)
    return chart


def _error_bars(points: Points, rows: list[int], objective: int) -> dict[str, Any] | None:
    """Return plotly's error bars of some points in one objective; None where none has a spread."""
    std = points.std[rows, objective]
    if not np.isfinite(std).any():
        return None
    array = [value if np.isfinite(value) else None for value in std.tolist()]
    return {"type": "data", "array": array, "thickness": 1, "width": 2, "color": LINE}


def _name_points(chart: Figure, view: Overview, points: np.ndarray) -> None:
    names = named_points(view)
    named = points[list(names)].reshape(-1, 2)
    extent = np.ptp(points[np.isfinite(points).all(axis=1)], axis=0) if names else np.ones(2)
    offsets = _offsets(named / np.where(extent > 0, extent, 1.0))
    arrow: dict[str, Any] = {"arrowcolor": FAINT, "arrowwidth": 1, "arrowhead": 0, "standoff": 7}
    box: dict[str, Any] = {"bgcolor": "rgba(255,255,255,0.8)", "borderpad": 1}
    for name, (x, y), (ax, ay) in zip(names.values(), named.tolist(), offsets, strict=True):
        chart.add_annotation(x=x, y=y, text=f"<b>{name}</b>", ax=ax, ay=ay, **arrow, **box)


def _offsets(places: np.ndarray) -> list[tuple[int, int]]:
    """Return where labels stand from their points, in pixels, so that those of points close together stay apart.

    Points, (labels, 2), are in units of the chart's range, which is taken for that of a narrow screen.
    """
    chosen: list[tuple[int, int]] = []
    taken: list[np.ndarray] = []
    for place in places:
        stands = {(x, y): place * NARROW_PX + (x, -y) for x, y in LABEL_OFFSETS}
        free = (away for away, at in stands.items() if all((np.abs(at - other) > LABEL_PX).any() for other in taken))
        chosen.append(next(free, LABEL_OFFSETS[0]))
        taken.append(stands[chosen[-1]])
    return chosen


def hover_texts(view: Overview) -> list[str]:
    """Return the configuration and the objectives of each point as plotly's small HTML."""
    table = view.points.table
    names = [*(o.metric for o in view.objectives), *view.parameter_names]
    columns = {name: [short(value) for value in table[name]] if name in table else [""] * len(table) for name in names}
    texts = []
    for row, (run, trial, seeds) in enumerate(zip(view.run_of(table), table["trial"], view.points.seeds, strict=True)):
        several = f", and {seeds - 1} further seeds" if seeds > 1 else ""
        label = f"{run}, " if len(view.runs) > 1 else ""
        lines = [f"<b>{literal(label)}trial {literal(str(trial))}</b>{several}"]
        for objective, std in zip(view.objectives, view.points.std[row], strict=True):
            spread = f" ± {short(std)}" if seeds > 1 else ""
            lines.append(f"{literal(objective.metric)} = {columns[objective.metric][row]}{spread}")
        parameters = ((name, columns[name][row]) for name in view.parameter_names)
        lines += [f"{literal(name)}: {literal(text)}" for name, text in parameters if text]
        texts.append("<br>".join(lines))
    return texts
