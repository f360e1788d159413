"""Owns how the hypervolume grew, as plotly figures: over ended trials, over time, and over epochs."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from results.charts.encoding import CATEGORICAL
from results.charts.thinning import steps
from results.charts.web.front import blank_chart
from results.front.overview import Overview

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

TIME_UNITS = (("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))
HEIGHT_PX = 330


def hypervolume_charts(view: Overview) -> list[Figure]:
    """Return the growth of each run's hypervolume over ended trials, over time and over epochs."""
    import plotly.graph_objects as go

    charts = []
    for title, column, unit in progress_axes(view):
        chart = blank_chart(title, "hypervolume")
        chart.update_layout(height=HEIGHT_PX, margin={"l": 64, "r": 12, "t": 16, "b": 56})
        for (label, history), (_, colour) in zip(view.histories.items(), run_colours(view), strict=True):
            shown = growth(history, column)
            chart.add_trace(
                go.Scatter(
                    x=[0.0, *(shown[column] / unit).tolist()],
                    y=[0.0, *shown["hypervolume"].tolist()],
                    mode="lines+markers",
                    line={"shape": "hv", "color": colour, "width": 2},
                    marker={"size": 4},
                    text=["before the first trial ended", *_texts(label, shown)],
                    hovertemplate="%{text}<extra></extra>",
                    showlegend=False,
                )
            )
        chart.update_yaxes(rangemode="tozero")
        chart.update_xaxes(rangemode="tozero")
        charts.append(chart)
    return charts


def run_colours(view: Overview) -> list[tuple[str, str]]:
    """Return each run's label and the colour of its line."""
    return [(label, CATEGORICAL[number % len(CATEGORICAL)]) for number, label in enumerate(view.histories)]


def progress_axes(view: Overview) -> list[tuple[str, str, float]]:
    """Return what the hypervolume is drawn over: title, column of the histories, and the column's unit."""
    longest = max((float(h["seconds"].max()) for h in view.histories.values() if len(h)), default=0.0)
    name, unit = next((entry for entry in TIME_UNITS if longest >= 3 * entry[1]), TIME_UNITS[-1])
    return [("ended trials", "trials", 1.0), (f"{name} since the start", "seconds", unit), ("epochs", "epochs", 1.0)]


def growth(history: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the rows of a history at which its staircase changes, without those that have no value in the column."""
    known = history[np.isfinite(history[column].to_numpy(dtype=float))]
    return known.iloc[steps(known["hypervolume"].to_numpy(dtype=float))]


def _texts(label: str, history: pd.DataFrame) -> list[str]:
    return [
        f"{html.escape(label)}, after {row.trials} trials<br>hypervolume {row.hypervolume:.4g}"
        f"<br>{row.front_size} on the front<br>{row.epochs} epochs, {row.seconds:.0f} s"
        for row in history.itertuples()
    ]
