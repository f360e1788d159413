"""Draw the figures for print that are made of bars: importance of the parameters, and cost by how trials ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from results.charts.costs import StateCost
from results.charts.importance import Importance, by_importance
from results.charts.style import CATEGORICAL, STATE_COLOURS, TEXT_WIDTH_IN, add_grid, new_figure, place_title
from results.front.overview import Overview

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BAR_IN = 0.17
LEAST_WRITTEN = 0.05  # the smallest share whose number fits into its bar


def importance_figure(view: Overview, parameters: Sequence[str], found: Sequence[Importance]) -> Figure:
    """Return a bar per parameter and target, the most important parameter on top; hollow where it may be chance."""
    told = [importance for importance in found if importance.values]
    order = by_importance(parameters, told)
    figure = new_figure(TEXT_WIDTH_IN, 1.3 + len(order) * (len(told) + 1) * BAR_IN)
    axes = figure.subplots()
    height = 1 / (len(told) + 1)
    for number, importance in enumerate(told):
        values = [importance.values[position] for position in order]
        places = np.arange(len(order)) + (number - (len(told) - 1) / 2) * height
        colour = CATEGORICAL[found.index(importance) % len(CATEGORICAL)]
        fills = [colour if importance.told[position] else "white" for position in order]
        bars = axes.barh(places, values, height=height, color=fills, edgecolor=colour)
        axes.bar_label(bars, [f"{value:.2f}" for value in values], padding=2, fontsize=8.5)
        axes.barh(0, 0, color=colour, label=importance.target)
    axes.set_yticks(range(len(order)), [parameters[position] for position in order])
    axes.invert_yaxis()
    axes.set_xlabel("importance (PED-ANOVA); hollow: may be chance")
    add_grid(axes)
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.1)
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    best = " or ".join(dict.fromkeys(f"{importance.best} of {importance.points}" for importance in told))
    place_title(figure, view.title, f"what tells the best {best} points from all")
    return figure


def cost_figure(view: Overview, costs: Sequence[StateCost]) -> Figure:
    """Return how trials, epochs and seconds are shared out among the states."""
    figure = new_figure(TEXT_WIDTH_IN, 2.4)
    axes = figure.subplots()
    amounts = np.array([[cost.trials, cost.epochs, cost.seconds] for cost in costs], dtype=float)
    totals = amounts.sum(axis=0)
    shares = amounts / np.where(totals > 0, totals, 1.0)
    starts = np.cumsum(shares, axis=0) - shares
    for cost, share, start in zip(costs, shares, starts, strict=True):
        bars = axes.barh(range(3), share, left=start, color=STATE_COLOURS[cost.state], height=0.62, label=cost.title)
        texts = [f"{part:.0%}" if part >= LEAST_WRITTEN else "" for part in share]
        axes.bar_label(bars, texts, label_type="center", color="white", fontsize=9)
    names = zip(("trials", "epochs", "seconds of work"), totals, strict=True)
    axes.set_yticks(range(3), [f"{total:,.0f} {name}" for name, total in names])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    place_title(figure, view.title, "cost by how trials ended")
    return figure
