"""Owns `front.png`: the front as a figure for print.

Two objectives give one panel with the front as a staircase; three or more give a panel per pair, where a
staircase would lie; one objective is drawn over the order of the trials.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from results.charts.encoding import Encoding, encode
from results.charts.extent import axis_limits, outside_note
from results.charts.outline import attained_outline, staircase
from results.charts.print.figure_titles import place_title
from results.charts.print.labels import place_labels
from results.charts.print.legend import draw_legend
from results.charts.spread import draw_spread
from results.charts.style import FAINT, INK, LINE, SHADE, TEXT_WIDTH_IN, add_grid, new_figure, print_style, save
from results.front.front import best_points
from results.front.overview import Overview
from results.records.objectives import objective_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SYMBOLS = ("o", "s", "^", "D", "v", "P")


def draw_front(view: Overview, *paths: Path) -> None:
    """Draw all points and the front; of points with several seeds the means, their spread, and each seed faintly.

    Args:
        view: What to draw.
        paths: The PNG or SVG files to write, each in one step.
    """
    with print_style():
        figure = front_figure(view)
        for path in paths:
            save(figure, path)


def front_figure(view: Overview) -> Figure:
    """Return the front as a figure; to be called, and saved, in the style for print."""
    values = objective_values(view.points.table, view.objectives)
    pairs = list(combinations(range(len(view.objectives)), 2))
    encoding = encode(view)
    figure, panels = _panels(max(len(pairs), 1))
    draw_legend(figure, view, encoding, SYMBOLS)
    place_title(figure, view.title, _counted(view))
    figure.draw_without_rendering()  # settles the axes, so that labels can be placed
    if pairs:
        for panel, (x, y) in zip(panels, pairs, strict=True):
            _draw_pair(panel, view, encoding, values, (x, y), with_staircase=len(pairs) == 1)
    else:
        _draw_single(panels[0], view, encoding, values[:, 0])
    figure.draw_without_rendering()
    for panel, (x, y) in zip(panels, pairs or [(-1, 0)], strict=True):
        _label(panel, view, values, x, y)
    return figure


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    """Return a figure and its panels: one alone, more in two columns."""
    columns = min(count, 2)
    rows = -(-count // columns)
    figure = new_figure(TEXT_WIDTH_IN * (1.3 if columns > 1 else 1.0), 4.9 if rows == 1 else 3.9 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for spare in grid[count:]:
        spare.remove()
    return figure, list(grid[:count])


def _counted(view: Overview) -> str:
    finished = int((view.trials["state"] == "finished").sum())
    counted = f"{len(view.front)} on the front of {finished} finished"
    if view.points.repeated:
        counted = f"{len(view.front)} of {(view.points.seeds > 0).sum()} points on the front"
    return f"{counted}, hypervolume {view.hypervolume:.4g}"


def _draw_pair(
    axes: Axes,
    view: Overview,
    encoding: Encoding,
    values: np.ndarray,
    pair: tuple[int, int],
    *,
    with_staircase: bool,
) -> None:
    x, y = pair
    seeds = objective_values(view.trials, view.objectives)[view.seeds]
    for axis, column in (("x", x), ("y", y)):
        objective = view.objectives[column]
        getattr(axes, f"set_{axis}label")(f"{objective.label}\n{objective.better}")
        limits = axis_limits(view, values[:, column], objective.reference, seeds[:, column])
        getattr(axes, f"set_{axis}lim")(*limits)
    add_grid(axes)
    if with_staircase and len(view.front):
        _draw_staircase(axes, view)
    draw_spread(axes, view, encoding, values[:, [x, y]], seeds[:, [x, y]], view.points.std[:, [x, y]])
    _draw_points(axes, view, encoding, values[:, [x, y]])
    _note(axes, view, values[:, [x, y]])


def _draw_single(axes: Axes, view: Overview, encoding: Encoding, values: np.ndarray) -> None:
    objective = view.objectives[0]
    seeds = objective_values(view.trials, view.objectives)[view.seeds, 0]
    axes.set_xlabel(f"{view.unit}, in the order of the record")
    axes.set_ylabel(f"{objective.label}\n{objective.better}")
    axes.set_ylim(*axis_limits(view, values, objective.reference, seeds))
    axes.set_xlim(0, len(values) + 1)
    add_grid(axes)
    counted = [verdict in ("front", "dominated") for verdict in view.verdicts]
    kept = np.where(counted, values * objective.sign, np.inf)
    best = np.minimum.accumulate(kept) * objective.sign if len(kept) else kept
    shown = np.isfinite(best)
    axes.step(_order(values)[shown], best[shown], where="post", color=LINE, linewidth=1.4, zorder=2)
    points = np.stack([_order(values), values], axis=1)
    places = np.stack([_order(values)[view.points.owner[view.seeds]], seeds], axis=1)
    draw_spread(axes, view, encoding, points, places, np.hstack([np.full((len(points), 1), np.nan), view.points.std]))
    _draw_points(axes, view, encoding, points)
    _note(axes, view, points)


def _order(values: np.ndarray) -> np.ndarray:
    return np.arange(1, len(values) + 1, dtype=float)


def _draw_staircase(axes: Axes, view: Overview) -> None:
    outline = attained_outline(view)
    reference = [objective.reference for objective in view.objectives]
    axes.fill(*np.vstack([outline, reference]).T, color=SHADE, zorder=0, linewidth=0)  # the hypervolume
    axes.plot(*outline.T, color=FAINT, linewidth=0.9, zorder=1)
    axes.plot(*staircase(view).T, color=LINE, linewidth=1.6, zorder=2, solid_joinstyle="miter")


def _draw_points(axes: Axes, view: Overview, encoding: Encoding, points: np.ndarray) -> None:
    styles: dict[str, dict[str, Any]] = {
        "guard": {"s": 30, "alpha": 0.75, "linewidths": 1.0, "zorder": 3},
        "dominated": {"s": 32, "alpha": 0.42, "linewidths": 0, "zorder": 4},
        "front": {"s": 74, "alpha": 1.0, "linewidths": 0.9, "zorder": 5},
    }
    for verdict, style in styles.items():
        for number, symbol in enumerate(SYMBOLS):
            chosen = [
                row
                for row, (found, marker) in enumerate(zip(view.verdicts, encoding.markers, strict=True))
                if found == verdict and marker == number
            ]
            colours = [encoding.colours[row] for row in chosen]
            hollow = verdict == "guard"
            axes.scatter(
                points[chosen, 0],
                points[chosen, 1],
                marker=symbol,
                facecolors="none" if hollow else colours,
                edgecolors=colours if hollow else "white",
                **style,
            )


def _note(axes: Axes, view: Overview, points: np.ndarray) -> None:
    note = outside_note(view, points, axes.get_xlim(), axes.get_ylim())
    axes.set_title(note, loc="right", fontsize=8.5, color=FAINT)
    if all(verdict == "unfinished" for verdict in view.verdicts):
        axes.text(0.5, 0.5, "no finished trial", transform=axes.transAxes, ha="center", color=FAINT)


def _label(axes: Axes, view: Overview, values: np.ndarray, x: int, y: int) -> None:
    """Write the names of the knee and the ends beside their points."""
    rows = [row for row, verdict in enumerate(view.verdicts) if verdict != "unfinished"]
    first = _order(values[:, y]) if x < 0 else values[:, x]
    shown = np.stack([first, values[:, y]], axis=1)[rows]
    named: dict[int, list[str]] = {}
    for name, position in best_points(view.front).items():
        named.setdefault(position, []).append(name)
    table = view.points.table
    keys = ["run", "trial"] if "run" in table else ["trial"]
    places = {key: row for row, key in enumerate(table.loc[:, keys].itertuples(index=False, name=None))}
    front = list(view.front[keys].itertuples(index=False, name=None))
    texts, points = [], []
    for position, names in named.items():
        texts.append(" + ".join(names))
        points.append(shown[rows.index(places[front[position]])])
    place_labels(axes, texts, points, np.vstack([shown, _line_samples(view)]), INK)


def _line_samples(view: Overview) -> np.ndarray:
    """Return points along the front's outline, for labels to keep away from."""
    if len(view.objectives) != 2 or view.front.empty:
        return np.empty((0, 2))
    corners = attained_outline(view)
    steps = np.linspace(0, len(corners) - 1, 40 * len(corners))
    return np.stack([np.interp(steps, np.arange(len(corners)), corners[:, i]) for i in (0, 1)], axis=1)
