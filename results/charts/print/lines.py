"""Draw the printed figures that are made of lines: the hypervolume's growth, learning curves, parallel coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from results.charts.curves import ENDED_EARLY, WIDTH, CurveGroup, group_colours
from results.charts.encoding import Encoding
from results.charts.growth import growth, listed_runs, progress_axes, run_looks
from results.charts.parallel import ParallelLines, looks, wrapped
from results.charts.style import FAINT, INK, LINE, TEXT_WIDTH_IN, add_grid, new_figure, place_title
from results.front.overview import Overview
from results.records.objectives import Objective

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH_POINTS = 0.7  # of a line that is one pixel wide on the screen
AXIS_IN = 1.05
DASHES: tuple[Any, ...] = ("-", "--", ":")  # of runs beyond the first seven, and the next
TICK_POINTS = 8.5


def hypervolume_figure(view: Overview) -> Figure:
    """Return the hypervolume over ended trials, over time and over epochs."""
    figure = new_figure(TEXT_WIDTH_IN * 1.15, 2.9 + 0.2 * -(-len(listed_runs(view)) // 3))
    panels = figure.subplots(1, 3, sharey=True)
    for panel, (title, column, unit) in zip(panels, progress_axes(view), strict=True):
        for history, (_, colour, kind) in zip(view.histories.values(), run_looks(view), strict=True):
            shown = growth(history, column)
            across, up = [0.0, *(shown[column] / unit)], [0.0, *shown["hypervolume"]]
            panel.step(across, up, where="post", color=colour, linewidth=1.5, linestyle=DASHES[kind])
        panel.set_xlabel(title)
        panel.set_xlim(left=0)
        panel.set_ylim(bottom=0)
        add_grid(panel)
    panels[0].set_ylabel("hypervolume")
    if len(view.histories) > 1:
        from matplotlib.lines import Line2D

        entries = [
            Line2D([], [], color=colour, linestyle=DASHES[kind], label=label)
            for label, colour, kind in listed_runs(view)
        ]
        figure.legend(handles=entries, loc="outside lower center", ncols=3, frameon=False)
    place_title(figure, view.title, f"hypervolume {view.hypervolume:.4g}")
    return figure


def curves_figure(view: Overview, objective: Objective, groups: Sequence[CurveGroup]) -> Figure:
    """Return the learning curves of an objective; trials that ended early are dotted, with a cross at their end."""
    figure = new_figure(TEXT_WIDTH_IN, 4.3)
    axes = figure.subplots()
    for group, colour in zip(groups, group_colours(groups), strict=True):
        early = group.kind in ENDED_EARLY
        for number, curve in enumerate(group.curves):
            axes.plot(
                curve.epochs,
                curve.values,
                color=colour,
                linewidth=WIDTH[group.kind] * WIDTH_POINTS,
                linestyle=":" if early else "-",
                marker="x" if early else "." if group.kind == "named" or len(curve.epochs) == 1 else None,
                markersize=4,
                markevery=[-1] if early else None,
                label=group.name if number == 0 else None,
            )
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"{objective.label}\n{objective.better}")
    add_grid(axes)
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    drawn, total = sum(len(group.curves) for group in groups), sum(group.total for group in groups)
    place_title(figure, view.title, f"{objective.metric} while learning")
    cut = f"{drawn:,} of {total:,} curves drawn" if drawn < total else ""
    axes.set_title(cut, loc="right", fontsize=TICK_POINTS, color=FAINT)
    return figure


def parallel_figure(view: Overview, encoding: Encoding, lines: ParallelLines) -> Figure:
    """Return one line per point over the axes of its parameters and objectives."""
    count = len(lines.axes)
    figure = new_figure(max(TEXT_WIDTH_IN, AXIS_IN * count), 4.3)
    axes = figure.subplots()
    for number, axis in enumerate(lines.axes):
        axes.plot([number, number], [0, 1], color=LINE, linewidth=0.9, zorder=1)
        for place, text in axis.ticks:
            box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6}
            offset: dict[str, Any] = {"xytext": (4, 0), "textcoords": "offset points"}
            axes.annotate(text, (number, place), **offset, va="center", size=TICK_POINTS, bbox=box, zorder=5)
    for layer, (kind, colour, width, members) in enumerate(looks(encoding, lines)):
        places = lines.places[members].T
        axes.plot(range(count), places, color=colour, linewidth=width * WIDTH_POINTS, zorder=2 + 0.01 * layer)
        if kind == "front":
            axes.plot(range(count), places, color=colour, linestyle="none", marker=".", markersize=5, zorder=4)
    axes.set_xticks(range(count), [wrapped(axis.title, "\n") for axis in lines.axes], color=INK)
    axes.tick_params(axis="x", top=False, labeltop=True, bottom=False, labelbottom=False, length=0)
    axes.set_xlim(-0.3, count - 0.4)
    axes.set_ylim(lines.lowest - 0.04, 1.04)
    axes.yaxis.set_visible(False)
    axes.spines[:].set_visible(False)
    coloured = f", in the colours of {encoding.colour_title}" if encoding.colour_title else ""
    place_title(figure, view.title, f"parameters and objectives; the front{coloured}, the others grey")
    if encoding.colour_title and len(view.front):
        from matplotlib.lines import Line2D

        entries = [Line2D([], [], color=colour, label=label) for label, colour, _ in encoding.colour_legend]
        style: dict[str, Any] = {"loc": "outside lower center", "ncols": 6, "frameon": False}
        figure.legend(handles=entries, title=encoding.colour_title, title_fontsize=9.5, **style)
    return figure
