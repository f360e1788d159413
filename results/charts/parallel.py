"""Place parallel coordinates: where each trial's line crosses the axes of its parameters and objectives.

Numbers stand on their range, logarithmic where it is searched so; values of a choice stand evenly, and the lines
through one of them are spread a little in the order of the first objective, or they would all lie on one point.
Objectives have their best value at the top. What a trial does not have stands below the axis.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from results.charts.encoding import Encoding
from results.charts.outline import named_points
from results.charts.style import axis_limits, evenly
from results.front.overview import Overview, Verdict
from results.records.objectives import Objective, objective_values
from results.records.space import Parameter
from results.records.text import cell, short

MISSING_PLACE = -0.13
SPREAD = 0.5  # share of the distance between two values of a choice that lines are spread over
MOST_LINES = 300  # of those that are not on the front
MOST_FRONT = 60  # besides the named ones
MOST_TICKS = 8
OTHER_COLOUR, GUARD_COLOUR = "#b4bcc8", "#d6c795"
TITLE_LETTERS = 14
MANY = 20  # more lines of the front than this are drawn thinner


class Axis(NamedTuple):
    """The axis of a parameter or metric: its title, and ticks, places in [0, 1] or `MISSING_PLACE` with their texts."""

    title: str
    ticks: list[tuple[float, str]]


class ParallelLines(NamedTuple):
    """Lines over parallel axes.

    Attributes:
        axes: From left to right.
        places: Place of each drawn line on each axis, (lines, axes).
        rows: Row of the points' table of each line; the front's last, so that they are drawn on top.
        verdicts: Of each line.
        others: How many lines that are not on the front there are in all.
        fronts: How many on the front there are in all.
    """

    axes: list[Axis]
    places: np.ndarray
    rows: list[int]
    verdicts: list[Verdict]
    others: int
    fronts: int

    @property
    def lowest(self) -> float:
        """0, or the place of missing values where an axis has that."""
        return min([0.0, *(place for axis in self.axes for place, _ in axis.ticks)])


def parallel_lines(view: Overview) -> ParallelLines:
    """Return the lines of all points that have objectives; of many that are not on the front an even share."""
    table = view.points.table
    others = [row for row, verdict in enumerate(view.verdicts) if verdict in ("dominated", "guard")]
    fronts = [row for row, verdict in enumerate(view.verdicts) if verdict == "front"]
    # Of the front, an even share of many, and every named one.
    chosen = {fronts[n] for n in evenly(len(fronts), MOST_FRONT)} | named_points(view).keys()
    rows = [others[n] for n in evenly(len(others), MOST_LINES)] + [row for row in fronts if row in chosen]
    values = objective_values(table, view.objectives)
    order = np.argsort(np.argsort(values[rows, 0], kind="stable"), kind="stable")
    lines = {p.name for run in view.runs.values() for p in run.space.parameters if p.type == "line"}
    drawn = [_parameter_axis(view, name, table.iloc[rows], order) for name in view.parameter_names if name not in lines]
    drawn += [_objective_axis(view, o, values[:, number], rows) for number, o in enumerate(view.objectives)]
    places = np.stack([places for _, places in drawn], axis=1)
    verdicts = [view.verdicts[row] for row in rows]
    return ParallelLines([axis for axis, _ in drawn], places, rows, verdicts, len(others), len(fronts))


def _parameter_axis(view: Overview, name: str, rows: pd.DataFrame, order: np.ndarray) -> tuple[Axis, np.ndarray]:
    declared = [p for run in view.runs.values() for p in run.space.parameters if p.name == name]
    values = list(rows[name])
    known = np.array([cell(value) not in ("", "nan") for value in values], dtype=bool)
    if any(parameter.type == "choice" for parameter in declared):
        ticks, places = _choice_places(declared, values, known, order)
    else:
        ticks, places = _number_places(declared, values, known)
    if not known.all():
        ticks = [(MISSING_PLACE, "not set"), *ticks]
    return Axis(name, ticks), np.where(known, places, MISSING_PLACE)


def _choice_places(
    declared: Sequence[Parameter], values: list[Any], known: np.ndarray, order: np.ndarray
) -> tuple[list[tuple[float, str]], np.ndarray]:
    texts = [cell(value) for value in values]
    levels = list(dict.fromkeys(cell(value) for parameter in declared for value in parameter.values))
    levels += [text for text in dict.fromkeys(texts) if text not in levels and text not in ("", "nan")]
    distance = 1 / max(len(levels), 1)
    middle = {level: (number + 0.5) * distance for number, level in enumerate(levels)}
    places = np.array([middle.get(text, 0.0) for text in texts], dtype=float)
    for level in levels:
        members = np.flatnonzero(known & np.array([text == level for text in texts], dtype=bool))
        ranks = np.argsort(np.argsort(order[members], kind="stable"), kind="stable")
        if len(members) > 1:
            places[members] += (ranks / (len(members) - 1) - 0.5) * SPREAD * distance
    shown = levels if len(levels) <= MOST_TICKS else [levels[n] for n in evenly(len(levels), MOST_TICKS)]
    return [(middle[level], level) for level in shown], places


def _number_places(
    declared: Sequence[Parameter], values: list[Any], known: np.ndarray
) -> tuple[list[tuple[float, str]], np.ndarray]:
    numbers = np.array([float(v) if there else np.nan for v, there in zip(values, known, strict=True)], dtype=float)
    ends = [end for parameter in declared for end in (parameter.low, parameter.high) if end is not None]
    ends += [np.nanmin(numbers), np.nanmax(numbers)] if known.any() else []
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    logarithmic = any(parameter.logarithmic for parameter in declared) and low > 0
    whole = all(parameter.type == "int" for parameter in declared)
    scale = np.log if logarithmic else np.asarray
    span = float(scale(high) - scale(low)) or 1.0
    places = (scale(np.where(known, numbers, high)) - float(scale(low))) / span
    between = math.sqrt(low * high) if logarithmic else (low + high) / 2
    marks = dict.fromkeys([low, round(between) if whole else between, high])
    return [((float(scale(mark)) - float(scale(low))) / span, short(float(mark))) for mark in marks], places


def _objective_axis(
    view: Overview, objective: Objective, values: np.ndarray, rows: Sequence[int]
) -> tuple[Axis, np.ndarray]:
    """Return the axis of an objective; what lies beyond the range of the front's chart stands at its end."""
    low, high = axis_limits(view, values, objective.reference)
    shown = values[list(rows)]
    if len(shown):
        low, high = max(low, float(shown.min())), min(high, float(shown.max()))
    span = (high - low) or 1.0
    places = np.clip((shown - low) / span, 0.0, 1.0)
    marks = [(0.0, low), (0.5, (low + high) / 2), (1.0, high)]
    if objective.sign > 0:
        places, marks = 1 - places, [(1 - place, mark) for place, mark in marks]
    return Axis(objective.metric, [(place, short(float(mark))) for place, mark in marks]), places


def looks(encoding: Encoding, lines: ParallelLines) -> list[tuple[str, str, float, list[int]]]:
    """Return what is drawn alike, in the order of drawing: kind, colour, width in pixels, and positions of lines."""
    groups: dict[tuple[str, str, float], list[int]] = {}
    front_width = 2.0 if lines.verdicts.count("front") <= MANY else 1.2
    for number, (row, verdict) in enumerate(zip(lines.rows, lines.verdicts, strict=True)):
        look = ("front", encoding.colours[row], front_width) if verdict == "front" else ("dominated", OTHER_COLOUR, 0.8)
        groups.setdefault(("guard", GUARD_COLOUR, 0.8) if verdict == "guard" else look, []).append(number)
    order = ("guard", "dominated", "front")
    return [(*look, members) for look, members in sorted(groups.items(), key=lambda entry: order.index(entry[0][0]))]


def wrapped(title: str, separator: str) -> str:
    """Return an axis title in lines, broken after underscores and dots."""
    lines = [""]
    for part in re.findall(r"[^_.]+[_.]?|[_.]", title):
        if lines[-1] and len(lines[-1]) + len(part) > TITLE_LETTERS:
            lines.append("")
        lines[-1] += part
    return separator.join(lines)
