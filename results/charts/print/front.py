"""Draw the front as a figure for print, with its legend, the spread over seeds, and the names of its points.

Two objectives give one panel with the front as a staircase; three or more give a panel per pair, where a
staircase would lie; one objective is drawn over the order of the trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from results.charts.outline import attained_outline, named_points, staircase, steps_of_lines
from results.charts.style import (
    BAR_WIDTH,
    FAINT,
    INK,
    LINE,
    SEED_ALPHA,
    SHADE,
    SOFT,
    TEXT_WIDTH_IN,
    Encoding,
    add_grid,
    axis_limits,
    encode,
    new_figure,
    outside_note,
    place_title,
)
from results.front.overview import Overview
from results.records.objectives import objective_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.text import Annotation

SYMBOLS = ("o", "s", "^", "D", "v", "P")
LETTERS = 26  # of an entry of the legend
SEED_SIZE = 9
# Dark, above the markers and with ends: a spread is often smaller than its marker, and may lie along the staircase.
BAR_END_POINTS, BAR_LAYER = 1.6, 6
BAR_ALPHA = {"front": 0.9, "dominated": 0.3}
# Directions in which a label may stand from its point; below left is where no trial can be when both
# objectives are minimised.
DIRECTIONS = ((-1, -1), (-1, 1), (1, 1), (1, -1), (0, -1), (0, 1), (-1, 0), (1, 0))
DISTANCES_POINTS = (9, 18, 30)
NEAREST_PX = 6.6  # that a label comes to the middle of a point it does not cover
HORIZONTAL = {-1: "right", 0: "center", 1: "left"}
VERTICAL = {-1: "top", 0: "center", 1: "bottom"}


def front_figure(view: Overview) -> Figure:
    """Return the front as a figure; to be called, and saved, in the style for print."""
    pairs = list(combinations(range(1, len(view.objectives) + 1), 2)) or [(0, 1)]
    encoding = encode(view)
    figure, panels = _panels(len(pairs))
    _draw_legend(figure, view, encoding)
    place_title(figure, view.title, _counted(view))
    figure.draw_without_rendering()  # settles the axes, so that labels can be placed
    points = [_draw_panel(panel, view, encoding, pair) for panel, pair in zip(panels, pairs, strict=True)]
    figure.draw_without_rendering()
    for panel, places in zip(panels, points, strict=True):
        _label(panel, view, places)
    return figure


def _draw_legend(figure: Figure, view: Overview, encoding: Encoding) -> None:
    """List colours, markers and verdicts, as far as they occur, to the right of the panels."""
    from matplotlib.lines import Line2D

    def entry(label: str, colour: str, symbol: str, **style: Any) -> Line2D:
        shown = label if len(label) <= LETTERS else label[: LETTERS - 1] + "…"
        return Line2D([], [], linestyle="none", marker=symbol, color=colour, label=shown, markersize=7, **style)

    groups: list[tuple[str, Sequence[Line2D]]] = [
        (encoding.colour_title, [entry(label, colour, "o") for label, colour in encoding.colour_legend]),
        (encoding.marker_title, [entry(label, LINE, SYMBOLS[number]) for label, number in encoding.marker_legend]),
    ]
    kinds = {
        "front": entry("on the front", LINE, "o", markeredgecolor="white"),
        "dominated": entry("dominated", LINE, "o", alpha=0.42, markeredgewidth=0),
        "guard": entry("breaks a guard", LINE, "o", markerfacecolor="none"),
    }
    shown = [handle for kind, handle in kinds.items() if kind in view.verdicts]
    if steps_of_lines(view):
        shown.append(Line2D([], [], linestyle=":", color=SOFT, linewidth=0.9, label="goes on"))
    if view.points.repeated:
        bar = Line2D([], [], linestyle="-", color=LINE, linewidth=BAR_WIDTH, label="± 1 std over seeds")
        shown += [entry("one seed", LINE, ".", alpha=SEED_ALPHA, markeredgewidth=0), bar]
    groups.append((f"{view.unit}s", shown))
    handles: list[Line2D] = []
    titles: list[int] = []
    for title, entries in groups:
        if entries:
            handles += [entry(" ", "none", "")] if handles else []
            titles.append(len(handles))
            handles += [entry(title, "none", ""), *entries]
    if handles:
        style: dict[str, Any] = {"frameon": False, "handletextpad": 0.3, "labelspacing": 0.35}
        legend = figure.legend(handles=handles, loc="outside right upper", **style)
        for number in titles:
            legend.get_texts()[number].set_fontweight("bold")


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


def _draw_panel(axes: Axes, view: Overview, encoding: Encoding, pair: tuple[int, int]) -> np.ndarray:
    """Draw two columns, 0 the order of the record and from 1 the objectives; return the points' places, (points, 2)."""
    order = np.arange(1, len(view.verdicts) + 1, dtype=float)
    trials = np.column_stack([order[view.points.owner], objective_values(view.trials, view.objectives)])
    points = np.column_stack([order, objective_values(view.points.table, view.objectives)])[:, pair]
    std = np.column_stack([np.full_like(order, np.nan), view.points.std])[:, pair]
    seeds = trials[view.seeds][:, pair]
    for name, column, places, beside in zip("xy", pair, points.T, seeds.T, strict=True):
        if column:
            objective = view.objectives[column - 1]
            limits = axis_limits(view, places, objective.reference, beside)
            axes.set(**{f"{name}label": f"{objective.label}\n{objective.better}", f"{name}lim": limits})
        else:
            axes.set(xlabel=f"{view.unit}, in the order of the record", xlim=(0, len(points) + 1))
    add_grid(axes)
    if len(view.objectives) == 1:
        _draw_best(axes, view, points)
    elif len(view.objectives) == 2 and len(view.front):
        _draw_staircase(axes, view)
    for ends in steps_of_lines(view):
        axes.plot(*points[list(ends)].T, color=SOFT, linewidth=0.9, linestyle=":", zorder=2.5)
    _draw_spread(axes, view, encoding, points, seeds, std)
    _draw_points(axes, view, encoding, points)
    _note(axes, view, points)
    return points


def _draw_best(axes: Axes, view: Overview, points: np.ndarray) -> None:
    sign = view.objectives[0].sign
    best = np.minimum.accumulate(np.where(view.counted, points[:, 1] * sign, np.inf)) * sign
    shown = np.isfinite(best)
    axes.step(points[shown, 0], best[shown], where="post", color=LINE, linewidth=1.4, zorder=2)


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
    verdicts, markers = np.array(view.verdicts, dtype=object), np.array(encoding.markers)
    for verdict, style in styles.items():
        hollow = verdict == "guard"
        for number, symbol in enumerate(SYMBOLS):
            chosen = np.flatnonzero((verdicts == verdict) & (markers == number))
            colours = [encoding.colours[row] for row in chosen]
            axes.scatter(
                *points[chosen].T,
                marker=symbol,
                facecolors="none" if hollow else colours,
                edgecolors=colours if hollow else "white",
                **style,
            )


def _draw_spread(
    axes: Axes, view: Overview, encoding: Encoding, means: np.ndarray, seeds: np.ndarray, std: np.ndarray
) -> None:
    """Draw the spread of every point that counts and has several seeds; nothing where none has.

    Means are the places of the points, (points, 2), and seeds those of the trials of `view.seeds`, (seeds, 2); std is
    half the length of each point's bars, (points, 2), and NaN draws none.
    """
    owner = view.points.owner[view.seeds]
    colours = [encoding.colours[row] for row in owner]
    axes.scatter(seeds[:, 0], seeds[:, 1], s=SEED_SIZE, c=colours, alpha=SEED_ALPHA, linewidths=0, zorder=3)
    rows = np.unique(owner)
    verdicts = np.array([view.verdicts[row] for row in rows], dtype=object)
    for verdict, alpha in BAR_ALPHA.items():  # one call for many bars: a call for each takes 20 s for 1,600 points
        chosen = rows[verdicts == verdict]
        bars = np.where(std[chosen] > 0, std[chosen], np.nan)  # no bar, nor its ends, where there is no spread
        axes.errorbar(
            means[chosen, 0],
            means[chosen, 1],
            xerr=bars[:, 0],
            yerr=bars[:, 1],
            fmt="none",
            ecolor=INK,
            elinewidth=BAR_WIDTH,
            capsize=BAR_END_POINTS,
            capthick=BAR_WIDTH,
            alpha=alpha,
            zorder=BAR_LAYER,
        )


def _note(axes: Axes, view: Overview, points: np.ndarray) -> None:
    note = outside_note(view, points, axes.get_xlim(), axes.get_ylim())
    axes.set_title(note, loc="right", fontsize=8.5, color=FAINT)
    if all(verdict == "unfinished" for verdict in view.verdicts):
        axes.text(0.5, 0.5, "no finished trial", transform=axes.transAxes, ha="center", color=FAINT)


def _label(axes: Axes, view: Overview, points: np.ndarray) -> None:
    """Write the names of the knee and the ends beside their points."""
    shown = points[[verdict != "unfinished" for verdict in view.verdicts]]
    names = sorted(named_points(view).items(), key=lambda item: "knee" not in item[1].split(" + "))
    _place_labels(axes, {text: points[row] for row, text in names}, np.vstack([shown, _line_samples(view)]))


def _line_samples(view: Overview) -> np.ndarray:
    """Return points along the front's outline, for labels to keep away from."""
    if len(view.objectives) != 2 or view.front.empty:
        return np.empty((0, 2))
    corners = attained_outline(view)
    steps = np.linspace(0, len(corners) - 1, 40 * len(corners))
    return np.stack([np.interp(steps, np.arange(len(corners)), corners[:, i]) for i in (0, 1)], axis=1)


def _place_labels(axes: Axes, points: dict[str, np.ndarray], obstacles: np.ndarray) -> None:
    """Write labels beside their points, on nothing else.

    A few labels among some hundred points need no optimiser: each label tries the same places, the side towards the
    ideal corner first, and takes the one that covers least. The axes are settled: their limits and their place in the
    figure no longer change. Points, (2,) each, and obstacles not to cover, (points, 2), are in data coordinates.
    """
    pixels = axes.transData.transform(obstacles)
    taken: list[np.ndarray] = []
    for text, point in points.items():
        tries = []
        for distance in DISTANCES_POINTS:
            for number, direction in enumerate(DIRECTIONS):
                box = _box(axes, text, point, direction, distance)
                tries.append((_cost(axes, box, pixels, taken) + distance / 100, distance, number, box))
        _, distance, number, box = min(tries, key=lambda place: place[:3])
        taken.append(box)
        _annotate(axes, text, point, DIRECTIONS[number], distance, INK)


def _box(axes: Axes, text: str, point: np.ndarray, direction: tuple[int, int], distance: int) -> np.ndarray:
    """Return the label's (left, bottom, right, top) in pixels."""
    label = _annotate(axes, text, point, direction, distance, "none")
    extent = label.get_window_extent(axes.figure.canvas.get_renderer())  # type: ignore[attr-defined]
    label.remove()
    return np.array([extent.x0, extent.y0, extent.x1, extent.y1])


def _annotate(
    axes: Axes, text: str, point: np.ndarray, direction: tuple[int, int], distance: int, colour: str
) -> Annotation:
    x, y = direction
    length = distance / max(np.hypot(x, y), 1.0)
    arrow = {"arrowstyle": "-", "color": FAINT, "linewidth": 0.7, "shrinkA": 1, "shrinkB": 5}
    return axes.annotate(
        text,
        xy=(float(point[0]), float(point[1])),
        xytext=(x * length, y * length),
        textcoords="offset points",
        ha=HORIZONTAL[x],
        va=VERTICAL[y],
        color=colour,
        fontweight="bold",
        arrowprops=arrow if distance > DISTANCES_POINTS[0] and colour != "none" else None,
        zorder=6,
    )


def _cost(axes: Axes, box: np.ndarray, pixels: np.ndarray, taken: Sequence[np.ndarray]) -> float:
    """Count what a label would cover: labels weigh most, then leaving the axes, then points."""
    frame = axes.get_window_extent()
    left, bottom, right, top = box
    cost = 0.0
    if left < frame.x0 + 2 or bottom < frame.y0 + 2 or right > frame.x1 - 2 or top > frame.y1 - 2:
        cost += 20.0
    for other in taken:
        if left < other[2] and right > other[0] and bottom < other[3] and top > other[1]:
            cost += 50.0
    nearest = np.clip(pixels, [left, bottom], [right, top])
    return cost + float((np.hypot(*(pixels - nearest).T) < NEAREST_PX).sum())
