"""Owns the learning curves of the report, as plotly figures."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from results.encoding import CATEGORICAL
from results.objectives import Objective
from results.overview import Overview
from results.report_charts import axis_title, blank_chart

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def curve_chart(view: Overview, objective: Objective) -> Figure | None:
    """Return one objective over the epochs of every trial, named points in colour; None if none was measured."""
    keys = ["run", "trial"] if "run" in view.trials else ["trial"]
    named = _names_of_trials(view, keys)
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
    chart = blank_chart("epoch", axis_title(objective))
    colours = {"other trials": "#d3d7dd", "others on the front": "#8795ab"}
    order = [*colours, *(names.replace("+", " + ") for names in view.front["names"] if names)]
    for group in dict.fromkeys(order):
        if groups.get(group):
            colour = colours.setdefault(group, CATEGORICAL[(len(colours) - 2) % len(CATEGORICAL)])
            chart.add_trace(_curves(group, groups[group], colour, bold=group not in order[:2]))
    return chart


def _names_of_trials(view: Overview, keys: list[str]) -> dict[tuple[Any, ...], str]:
    """Return the names of every trial on the front; all seeds of a point have its names."""
    by_point = dict(zip(view.front[keys].itertuples(index=False, name=None), view.front["names"], strict=True))
    rows = list(view.points.table[keys].itertuples(index=False, name=None))
    trials = view.trials[keys].itertuples(index=False, name=None)
    found = ((trial, by_point.get(rows[row])) for trial, row in zip(trials, view.points.owner, strict=True))
    return {trial: names for trial, names in found if names is not None}


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
