"""Draw the front as a figure for print, with its legend, the spread over seeds, and the names of its points.

Two objectives give one panel with the front as a staircase; three or more give a panel per pair, where a
staircase would lie; one objective is drawn over the order of the trials.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from results.charts.encoding import Encoding, encode
from results.charts.labels import HORIZONTAL, VERTICAL, Place, Scene, place_labels
from results.charts.outline import (
    attained_outline,
    line_samples,
    named_points,
    reference_shown,
    staircase,
    steps_of_lines,
    volume_shown,
)
from results.charts.style import (
    BAR_WIDTH,
    FAINT,
    INK,
    LINE,
    SEED_ALPHA,
    SHADE,
    SOFT,
    TEXT_WIDTH_IN,
    add_grid,
    axis_limits,
    new_figure,
    outside_note,
    place_title,
)
from results.front.overview import Overview
from results.records.objectives import objective_values

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

SYMBOLS = ("o", "s", "^", "D", "v", "P", "X")  # the last: not set
LETTERS = 26  # of an entry of the legend
SEED_SIZE = 9
# Dark, above the markers and with ends: a spread is often smaller than its marker, and may lie along the staircase.
BAR_END_POINTS, BAR_LAYER = 1.6, 6
BAR_ALPHA = {"front": 0.9, "dominated": 0.3}
LABEL_DISTANCES_PX = (18.0, 27.0, 40.0)
NEAREST_PX = 6.6  # that a label comes to the middle of a point it does not cover
RING_SIZE = 210


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

    groups: list[tuple[str, Sequence[Artist]]] = [
        (encoding.colour_title, [entry(label, c, SYMBOLS[mark]) for label, c, mark in encoding.colour_legend]),
        (encoding.marker_title, [entry(label, LINE, SYMBOLS[number]) for label, number in encoding.marker_legend]),
    ]
    kinds = {
        "front": entry("on the front", LINE, "o", markeredgecolor="white"),
        "dominated": entry("dominated", LINE, "o", alpha=0.42, markeredgewidth=0),
        "guard": entry("breaks a guard", LINE, "o", markerfacecolor="none"),
    }
    shown: list[Artist] = [handle for kind, handle in kinds.items() if kind in view.verdicts]
    if steps_of_lines(view):
        shown.append(Line2D([], [], linestyle=":", color=SOFT, linewidth=0.9, label="goes on"))
    if view.points.repeated:
        bar = Line2D([], [], linestyle="-", color=LINE, linewidth=BAR_WIDTH, label="± 1 std over seeds")
        shown += [entry("one seed", LINE, ".", alpha=SEED_ALPHA, markeredgewidth=0), bar]
    if named_points(view):
        shown.append(entry("has a name", INK, "o", markerfacecolor="none", markeredgewidth=1.2))
    if len(view.objectives) == 2 and len(view.front):
        shown += _volume_entries(view)
    groups.append((f"{view.unit}s", shown))
    handles: list[Artist] = []
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


def _volume_entries(view: Overview) -> list[Artist]:
    """Return what the shaded area is, and the reference point where the axes reach it."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    title, inside = volume_shown(view)
    area = Patch(facecolor=SHADE, edgecolor=FAINT, linewidth=0.6, label=title.replace(", ", ",\n"))
    marker: dict[str, Any] = {"marker": "+", "markersize": 9, "markeredgewidth": 1.4, "color": INK}
    return [area, *([Line2D([], [], linestyle="none", label="reference point", **marker)] if inside else [])]


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
    if reference_shown(view, axes.get_xlim(), axes.get_ylim()):
        axes.plot(*reference, marker="+", color=INK, markersize=10, markeredgewidth=1.4, zorder=3)


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
    """Ring the knee and the ends, and write their names beside them, each with a line to its point.

    The axes are settled: their limits and their place in the figure no longer change.
    """
    names = sorted(named_points(view).items(), key=lambda item: "knee" not in item[1].split(" + "))
    if not names:
        return
    named = points[[row for row, _ in names]]
    axes.scatter(
        named[:, 0], named[:, 1], s=RING_SIZE, facecolors="none", edgecolors=INK, linewidths=1.2, zorder=BAR_LAYER
    )
    shown = points[[verdict != "unfinished" for verdict in view.verdicts]]
    frame = axes.get_window_extent()
    at = [axes.transData.transform(places) for places in (named, shown, line_samples(view))]
    scene = Scene((frame.x0 + 2, frame.y0 + 2, frame.x1 - 2, frame.y1 - 2), *at)
    sizes = np.array([_size(axes, text) for _, text in names])
    places = place_labels([scene], sizes, LABEL_DISTANCES_PX, NEAREST_PX)
    for (_, text), place, point in zip(names, places, named, strict=True):
        _annotate(axes, text, place, point)


def _size(axes: Axes, text: str) -> tuple[float, float]:
    """Return the width and height of a label in pixels."""
    label = axes.text(0, 0, text, fontweight="bold")
    extent = label.get_window_extent(axes.figure.canvas.get_renderer())  # type: ignore[attr-defined]
    label.remove()
    return float(extent.width), float(extent.height)


def _annotate(axes: Axes, text: str, place: Place, point: np.ndarray) -> None:
    x, y = place.direction
    points_per_px = 72 / axes.figure.dpi
    upright: Mapping[str, Any] = {"ha": HORIZONTAL[x], "va": VERTICAL[y].replace("middle", "center")}
    axes.annotate(
        text,
        xy=(float(point[0]), float(point[1])),
        xytext=(place.x * points_per_px, place.y * points_per_px),  # a figure is saved with more pixels than drawn
        textcoords="offset points",
        color=INK,
        fontweight="bold",
        arrowprops={"arrowstyle": "-", "color": LINE, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 7},
        zorder=BAR_LAYER + 1,
        **upright,
    )
