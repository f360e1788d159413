"""Draw a front of two objectives: its staircase, the area it dominates, and which of its points have names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from results.charts.style import axis_limits
from results.front.overview import Overview, row_keys
from results.records.objectives import Objective, minimised, objective_values
from results.records.tables import LINE
from results.records.text import ARROW, cell


def staircase(view: Overview) -> np.ndarray:
    """Return the points of the front with the attained corners between them, (corners, 2), front end to end."""
    points = objective_values(view.front, view.objectives)
    x, y = np.repeat(points[:, 0], 2)[1:], np.repeat(points[:, 1], 2)[:-1]
    return np.stack([x, y], axis=1)


def attained_outline(view: Overview) -> np.ndarray:
    """Return the staircase lengthened to the reference values, (corners, 2).

    With the reference point as the last corner it encloses the hypervolume; what lies beyond the reference is
    drawn onto it, and encloses nothing.
    """
    corners = staircase(view)
    reference = np.array([objective.reference for objective in view.objectives])
    longer = np.vstack([[corners[0, 0], reference[1]], corners, [reference[0], corners[-1, 1]]])
    clipped = np.minimum(minimised(longer, view.objectives), minimised(reference, view.objectives))
    return minimised(clipped, view.objectives)  # twice negated is as measured


def reference_shown(view: Overview, x: tuple[float, float], y: tuple[float, float]) -> bool:
    """Say whether the reference point of two objectives lies within limits of the axes."""
    places = zip(view.objectives, (x, y), strict=True)
    return all(min(limits) <= objective.reference <= max(limits) for objective, limits in places)


def volume_shown(view: Overview) -> tuple[str, bool]:
    """Return what the shaded area of two objectives is called, and whether the reference point is shown with it."""
    values, seeds = (objective_values(table, view.objectives) for table in (view.points.table, view.trials))
    x, y = (axis_limits(view, values[:, n], o.reference, seeds[view.seeds, n]) for n, o in enumerate(view.objectives))
    shown = reference_shown(view, x, y)
    return "hypervolume" if shown else "hypervolume, as far as the axes reach", shown


def outline(corners: np.ndarray, worst: np.ndarray, objectives: Sequence[Objective]) -> np.ndarray:
    """Return the boundary of what some points dominate, up to a worst corner, in the objectives' own directions.

    Points, (points, 2), and corner, (2,), are to be minimised. The way along the boundary is (2 points + 1, 2); the
    points themselves are at odd places.
    """
    if not len(corners):
        return np.empty((0, 2))
    order = corners[np.lexsort(corners.T[::-1])]
    xs = np.concatenate([order[:, 0], [max(worst[0], order[-1, 0])]])
    ys = np.concatenate([[max(worst[1], order[0, 1])], order[:, 1]])
    return minimised(np.stack([np.repeat(xs, 2)[:-1], np.repeat(ys, 2)[1:]], axis=1), objectives)


def steps_of_lines(view: Overview) -> list[tuple[int, int]]:
    """Return the rows of the points' table from which lines go on, each with the row of where it leads."""
    table = view.points.table
    if LINE not in table:
        return []
    found, rows = [], {}
    for row, (label, record) in enumerate(zip(view.run_of(table), table.to_dict("records"), strict=True)):
        run = view.runs[label]
        swept = run.space.sweep.get("parameter")
        others = [cell(record.get(name)) for name in run.space.parameter_names if name not in (LINE, swept)]
        text = cell(record[LINE]).removesuffix("nan") or cell(record.get(swept))
        rows[(label, *others, text)] = row
        if ARROW in text and record["state"] == "finished":
            found.append((row, (label, *others, text.rpartition(ARROW)[0])))
    return [(rows[before], row) for row, before in found if before in rows]


def line_samples(view: Overview) -> np.ndarray:
    """Return points along the outline of a front of two objectives, (places, 2), for labels to keep away from."""
    if len(view.objectives) != 2 or view.front.empty:
        return np.empty((0, 2))
    corners = attained_outline(view)
    steps = np.linspace(0, len(corners) - 1, 40 * len(corners))
    return np.stack([np.interp(steps, np.arange(len(corners)), corners[:, i]) for i in (0, 1)], axis=1)


def named_points(view: Overview) -> dict[int, str]:
    """Return the names of the knee and the ends, " + " between those of one point, by row of the points' table."""
    rows = {key: row for row, key in enumerate(row_keys(view.points.table))}
    front = zip(row_keys(view.front), view.front["names"], strict=True)
    return {rows[key]: names.replace("+", " + ") for key, names in front if names}
