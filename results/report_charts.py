"""Owns the interactive charts of the report, as plotly figures: front, hypervolume, learning curves."""

from __future__ import annotations

import html
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from results.encoding import CATEGORICAL, Encoding
from results.extent import axis_limits, outside_note
from results.front import best_points
from results.objectives import Objective, objective_values
from results.overview import Overview, Verdict
from results.staircase import attained_outline, staircase
from results.table_text import short

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

INK, FAINT, LINE, GRID, SHADE = "#1f2937", "#9ca3af", "#374151", "#eef0f3", "#f0f4fb"
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
OPACITY: dict[Verdict, float] = {"guard": 0.8, "dominated": 0.4, "front": 1.0}
SIZE: dict[Verdict, int] = {"guard": 8, "dominated": 8, "front": 12}
# In the order of drawing: the front on top.
VERDICTS: dict[Verdict, str] = {"guard": "breaks a guard", "dominated": "dominated", "front": "on the front"}


def front_charts(view: Overview, encoding: Encoding) -> list[Figure]:
    """Return a chart per pair of objectives; with one objective, one over the order of the trials."""
    values = objective_values(view.trials, view.objectives)
    pairs = list(combinations(range(len(view.objectives)), 2))
    if not pairs:
        order = np.arange(1, len(values) + 1, dtype=float)
        points = np.stack([order, values[:, 0]], axis=1)
        return [
            _points(_figure("trial, in the order of the record", _axis(view.objectives[0])), view, encoding, points)
        ]
    charts = []
    for x, y in pairs:
        chart = _figure(_axis(view.objectives[x]), _axis(view.objectives[y]))
        ranges = [axis_limits(view, values[:, n], view.objectives[n].reference) for n in (x, y)]
        chart.update_layout(xaxis_range=ranges[0], yaxis_range=ranges[1])
        note = outside_note(view, values[:, [x, y]], *ranges)
        chart.update_layout(title={"text": note, "x": 1, "xanchor": "right", "font": {"size": 12, "color": FAINT}})
        if len(pairs) == 1 and len(view.front):
            _staircase(chart, view)
        charts.append(_points(chart, view, encoding, values[:, [x, y]]))
    return charts


def hypervolume_chart(view: Overview) -> Figure:
    """Return the growth of each run's hypervolume over its ended trials."""
    import plotly.graph_objects as go

    chart = _figure("ended trials", "hypervolume")
    for number, (label, history) in enumerate(view.histories.items()):
        text = [
            f"{html.escape(label)}, after {row.trials} trials<br>hypervolume {row.hypervolume:.4g}"
            f"<br>{row.front_size} on the front<br>{row.epochs} epochs, {row.seconds:.0f} s"
            for row in history.itertuples()
        ]
        chart.add_trace(
            go.Scatter(
                x=history["trials"].tolist(),
                y=history["hypervolume"].tolist(),
                mode="lines+markers",
                line={"shape": "hv", "color": CATEGORICAL[number % len(CATEGORICAL)], "width": 2},
                marker={"size": 5},
                text=text,
                hovertemplate="%{text}<extra></extra>",
                name=label,
                showlegend=len(view.histories) > 1,
            )
        )
    chart.update_yaxes(rangemode="tozero")
    return chart


def curve_chart(view: Overview, objective: Objective) -> Figure | None:
    """Return one objective over the epochs of every trial, named points in colour; None if none was measured."""
    keys = ["run", "trial"] if "run" in view.trials else ["trial"]
    named = dict(zip(view.front[keys].itertuples(index=False, name=None), view.front["names"], strict=True))
    groups: dict[str, list[_Curve]] = {"other trials": [], "others on the front": []}
    for label, run in view.runs.items():
        if objective.metric not in run.curves:
            continue
        measured = run.curves[np.isfinite(run.curves[objective.metric])]
        # A trial that a restarted worker continued may have an epoch twice; the later one is what was trained on.
        measured = measured.drop_duplicates(["trial", "epoch"], keep="last").sort_values("epoch", kind="stable")
        for trial, curve in measured.groupby("trial", sort=False):
            key = (label, trial) if "run" in view.trials else (trial,)
            names = named.get(key)
            group = "other trials" if names is None else names.replace("+", " + ") or "others on the front"
            title = "trial " + " · ".join(str(part) for part in key)
            groups.setdefault(group, []).append(
                _Curve(title, curve["epoch"].tolist(), curve[objective.metric].tolist())
            )
    if not any(groups.values()):
        return None
    chart = _figure("epoch", _axis(objective))
    colours = {"other trials": "#d3d7dd", "others on the front": "#8795ab"}
    order = [*colours, *(names.replace("+", " + ") for names in view.front["names"] if names)]
    for group in dict.fromkeys(order):
        if groups.get(group):
            colour = colours.setdefault(group, CATEGORICAL[(len(colours) - 2) % len(CATEGORICAL)])
            chart.add_trace(_curves(group, groups[group], colour, bold=group not in order[:2]))
    return chart


class _Curve(NamedTuple):
    title: str
    epochs: list[float]
    values: list[float]


def _curves(name: str, curves: Sequence[_Curve], colour: str, *, bold: bool) -> Any:
    """Return many curves as one trace with gaps: hundreds of traces make a page slow."""
    import plotly.graph_objects as go

    return go.Scatter(
        x=[value for curve in curves for value in (*curve.epochs, None)],
        y=[value for curve in curves for value in (*curve.values, None)],
        text=[html.escape(curve.title) for curve in curves for _ in range(len(curve.epochs) + 1)],
        mode="lines+markers",
        line={"color": colour, "width": 2.5 if bold else 1.2},
        marker={"size": 6 if bold else 3},
        name=name,
        showlegend=True,
        hovertemplate="%{text}<br>epoch %{x}: %{y:.4g}<extra></extra>",
    )


def _figure(x: str, y: str) -> Figure:
    import plotly.graph_objects as go

    chart = go.Figure()
    chart.update_layout(
        template="none",
        height=430,
        margin={"l": 64, "r": 16, "t": 24, "b": 64},
        font={"family": FONT, "size": 13, "color": INK},
        hoverlabel={"bgcolor": "white", "bordercolor": FAINT, "font": {"color": INK}, "align": "left"},
        paper_bgcolor="white",
        plot_bgcolor="white",
        legend={"orientation": "h", "y": -0.24, "yanchor": "top", "x": 0, "font": {"size": 12}},
        hovermode="closest",
        dragmode=False,
    )
    line = {"gridcolor": GRID, "zeroline": False, "linecolor": FAINT, "ticks": "outside", "tickcolor": FAINT}
    chart.update_xaxes(title={"text": x, "standoff": 8, "font": {"size": 13}}, automargin=True, **line)
    chart.update_yaxes(title={"text": y, "standoff": 8, "font": {"size": 13}}, automargin=True, **line)
    return chart


def _axis(objective: Objective) -> str:
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


def _points(chart: Figure, view: Overview, encoding: Encoding, points: np.ndarray) -> Figure:
    import plotly.graph_objects as go

    hover = [_hover(view, position) for position in range(len(view.trials))]
    for verdict, title in VERDICTS.items():
        rows = [row for row, found in enumerate(view.verdicts) if found == verdict]
        hollow = "-open" if verdict == "guard" else ""
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
                text=[hover[row] for row in rows],
                hovertemplate="%{text}<extra></extra>",
                name=title,
                showlegend=False,
            )
        )
    _name_points(chart, view, points)
    return chart


def _name_points(chart: Figure, view: Overview, points: np.ndarray) -> None:
    keys = ["run", "trial"] if "run" in view.trials else ["trial"]
    places = {key: row for row, key in enumerate(view.trials.loc[:, keys].itertuples(index=False, name=None))}
    for position in sorted(set(best_points(view.front).values())):
        row = view.front.iloc[position]
        x, y = points[places[tuple(row[keys])]]
        chart.add_annotation(
            x=float(x),
            y=float(y),
            text=f"<b>{row['names'].replace('+', ' + ')}</b>",
            ax=-26,
            ay=24,
            arrowcolor=FAINT,
            arrowwidth=1,
            arrowhead=0,
            standoff=7,
            bgcolor="rgba(255,255,255,0.8)",
            borderpad=1,
        )


def _hover(view: Overview, position: int) -> str:
    """Return the configuration and the objectives of a trial as plotly's small HTML."""
    row: pd.Series = view.trials.iloc[position]
    run = f"{row['run']}, " if "run" in view.trials else ""
    lines = [f"<b>{html.escape(run)}trial {html.escape(str(row['trial']))}</b>"]
    lines += [f"{html.escape(o.metric)} = {short(row.get(o.metric))}" for o in view.objectives]
    lines += [
        f"{html.escape(name)}: {html.escape(short(row[name]))}" for name in view.parameter_names if short(row[name])
    ]
    return "<br>".join(lines)
