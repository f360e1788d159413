"""Owns the interactive chart of the front, and what all charts of the report have in common, as plotly figures."""

from __future__ import annotations

import html
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from results.charts.encoding import Encoding
from results.charts.extent import axis_limits, outside_note
from results.charts.outline import attained_outline, staircase
from results.charts.spread import error_bars, seed_trace
from results.front.front import best_points
from results.front.overview import Overview, Verdict
from results.records.objectives import Objective, objective_values
from results.records.text import short

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

INK, FAINT, LINE, GRID, SHADE = "#1f2937", "#9ca3af", "#374151", "#eef0f3", "#f0f4fb"
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
# In the order of drawing: the front on top.
VERDICTS: dict[Verdict, str] = {"guard": "breaks a guard", "dominated": "dominated", "front": "on the front"}


def front_charts(view: Overview, encoding: Encoding) -> list[Figure]:
    """Return a chart per pair of objectives; with one objective, one over the order of the trials."""
    values, seeds = (objective_values(table, view.objectives) for table in (view.points.table, view.trials))
    pairs = list(combinations(range(len(view.objectives)), 2))
    if not pairs:
        order = np.arange(1, len(values) + 1, dtype=float)
        points = np.stack([order, values[:, 0]], axis=1)
        chart = blank_chart(f"{view.unit}, in the order of the record", axis_title(view.objectives[0]))
        _seeds(chart, view, encoding, np.stack([order[view.points.owner], seeds[:, 0]], axis=1))
        return [_points(chart, view, encoding, points, (None, 0))]
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
        legend={
            "orientation": "h",
            "y": 1.02,
            "yanchor": "bottom",
            "x": 0,
            "traceorder": "normal",
            "font": {"size": 12},
        },
        hovermode="closest",
        dragmode=False,
    )
    line = {"gridcolor": GRID, "zeroline": False, "linecolor": FAINT, "ticks": "outside", "tickcolor": FAINT}
    chart.update_xaxes(title={"text": x, "standoff": 8, "font": {"size": 13}}, **line)
    chart.update_yaxes(title={"text": y, "standoff": 8, "font": {"size": 13}}, **line)
    return chart


def axis_title(objective: Objective) -> str:
    """Return what an axis of an objective is called."""
    return f"{html.escape(objective.label)}<br>{objective.better}"


def _staircase(chart: Figure, view: Overview) -> None:
    import plotly.graph_objects as go

    outline, corners = attained_outline(view), staircase(view)
    closed = np.vstack([outline, [objective.reference for objective in view.objectives]])
    area = go.Scatter(
        x=closed[:, 0].tolist(),
        y=closed[:, 1].tolist(),
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=SHADE,
        hoverinfo="skip",
        showlegend=False,
    )
    line = go.Scatter(
        x=corners[:, 0].tolist(),
        y=corners[:, 1].tolist(),
        mode="lines",
        line={"color": LINE, "width": 2},
        hoverinfo="skip",
        showlegend=False,
    )
    chart.add_traces([area, line])


def _seeds(chart: Figure, view: Overview, encoding: Encoding, places: np.ndarray) -> None:
    if len(view.seeds):
        chart.add_trace(seed_trace(view, encoding, places[view.seeds]))


def _points(
    chart: Figure, view: Overview, encoding: Encoding, points: np.ndarray, axes: tuple[int | None, int]
) -> Figure:
    """Draw the points; `axes` are the objectives on x and y, None for none."""
    import plotly.graph_objects as go

    hover = hover_texts(view)
    for verdict, title in VERDICTS.items():
        rows = [row for row, found in enumerate(view.verdicts) if found == verdict]
        hollow = "-open" if verdict == "guard" else ""
        bars = [
            None if verdict == "guard" or number is None else error_bars(view.points, rows, number, LINE)
            for number in axes
        ]
        chart.add_trace(
            go.Scatter(
                x=points[rows, 0].tolist(),
                y=points[rows, 1].tolist(),
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
        )
    _name_points(chart, view, points)
    return chart


def _name_points(chart: Figure, view: Overview, points: np.ndarray) -> None:
    table = view.points.table
    keys = ["run", "trial"] if "run" in table else ["trial"]
    places = {key: row for row, key in enumerate(table.loc[:, keys].itertuples(index=False, name=None))}
    positions = sorted(set(best_points(view.front).values()))
    rows = [view.front.iloc[position] for position in positions]
    named = np.array([points[places[tuple(row[keys])]] for row in rows]).reshape(-1, 2)
    extent = np.ptp(points[np.isfinite(points).all(axis=1)], axis=0) if len(rows) else np.ones(2)
    for row, place, away in zip(rows, named, _offsets(named / np.where(extent > 0, extent, 1.0)), strict=True):
        chart.add_annotation(
            x=float(place[0]),
            y=float(place[1]),
            text=f"<b>{row['names'].replace('+', ' + ')}</b>",
            ax=away[0],
            ay=away[1],
            arrowcolor=FAINT,
            arrowwidth=1,
            arrowhead=0,
            standoff=7,
            bgcolor="rgba(255,255,255,0.8)",
            borderpad=1,
        )


def _offsets(places: np.ndarray) -> list[tuple[int, int]]:
    """Return where labels stand from their points, in pixels, so that those of points close together stay apart.

    Args:
        places: The points, (labels, 2), in units of the chart's range, which is taken for that of a narrow screen.
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
    runs = [f"{run}, " for run in table["run"]] if "run" in view.trials else [""] * len(table)
    texts = []
    for row, (run, trial, seeds) in enumerate(zip(runs, table["trial"], view.points.seeds, strict=True)):
        several = f", and {seeds - 1} further seeds" if seeds > 1 else ""
        lines = [f"<b>{html.escape(run)}trial {html.escape(str(trial))}</b>{several}"]
        for objective, std in zip(view.objectives, view.points.std[row], strict=True):
            spread = f" ± {short(std)}" if seeds > 1 else ""
            lines.append(f"{html.escape(objective.metric)} = {columns[objective.metric][row]}{spread}")
        parameters = ((name, columns[name][row]) for name in view.parameter_names)
        lines += [f"{html.escape(name)}: {html.escape(text)}" for name, text in parameters if text]
        texts.append("<br>".join(lines))
    return texts
