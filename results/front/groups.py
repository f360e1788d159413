"""Fronts by groups: the points of a run, or of several, by any parameter, and how each group's front compares.

A group is made of all points that have equal values of its columns. A column is `run`, a searched parameter, or a key
of what was kept fixed (dotted, such as `losses.action`), which tells runs apart. Numbers of many values, and searched
numbers of few points each, make four groups of about equally many points.
"""

from __future__ import annotations

import difflib
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from results.exceptions import RecordError
from results.front.dominance import nondominated, volume
from results.front.front import reference_point
from results.front.indicators import indicators
from results.front.overview import Overview
from results.records.objectives import minimised, objective_values
from results.records.space import Parameter
from results.records.text import MISSING, cell, recorded, short

MOST_VALUES = 12  # of a number, until it is cut into ranges
FEWEST_POINTS = 5  # that count in the median group of a searched number, or it is cut into ranges as well
RANGES = 4
DRAWS = 200  # of as many points as the smallest group has
RUN = "run"


class Grouping(NamedTuple):
    """Points by group.

    Attributes:
        columns: What tells the groups apart.
        labels: One tuple of texts per group, one text per column.
        members: Group of each row of the points' table, (rows,).
        ordered: Whether the groups are numbers in their order.
    """

    columns: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    members: np.ndarray
    ordered: bool

    @property
    def name(self) -> str:
        """The columns, joined by a comma."""
        return ",".join(self.columns)


def default_columns(view: Overview) -> list[str]:
    """Return by what fronts are grouped if nobody says: the run, and each choice and whole number that varied."""
    found = [RUN] if len(view.runs) > 1 else []
    for name, parameter in _parameters(view).items():
        values = {cell(value) for value in view.points.table[name]} if name in view.points.table else set()
        if parameter.type in ("choice", "int") and len(values - {"", "nan"}) > 1:
            found.append(name)
    return found


def group(view: Overview, name: str) -> Grouping:
    """Group the points of a view by a column, or by several joined by commas.

    Raises:
        RecordError: No run has such a column.
    """
    columns = tuple(part.strip() for part in name.split(","))
    levels = [_levels(view, column) for column in columns]
    keys = list(zip(*(column_levels for column_levels, _, _ in levels), strict=True))
    found = sorted(set(keys))
    labels = tuple(tuple(texts[number] for number, (_, texts, _) in zip(key, levels, strict=True)) for key in found)
    places = {key: number for number, key in enumerate(found)}
    members = np.array([places[key] for key in keys], dtype=int)
    return Grouping(columns, labels, members, len(columns) == 1 and levels[0][2])


def group_table(view: Overview, grouping: Grouping) -> pd.DataFrame:
    """Return a row per group: its size, its front's indicators, and the spread of its hypervolume over runs.

    Returns:
        The grouping's columns, `trials` (finished ones), `points` (that count), the fields of `Indicators` with
        `expected_hypervolume` beside the hypervolume; and, where there are several runs in a group, `runs`,
        `hypervolume_mean` and `hypervolume_std`, of each run's own front of the group.
    """
    values, counted = counted_points(view)
    union = minimised(objective_values(view.front, view.objectives), view.objectives)
    runs, reference = view.run_of(view.points.table), reference_point(view.objectives)
    sizes = np.bincount(grouping.members[counted], minlength=len(grouping.labels))
    smallest = int(sizes[sizes > 0].min(initial=len(counted)))
    rows, spreads = [], []
    for number, label in enumerate(grouping.labels):
        chosen = grouping.members == number
        quality = indicators(values[chosen & counted], union, view.objectives)
        finished = int(view.points.seeds[chosen].sum())
        names = dict(zip(grouping.columns, label, strict=True))
        row = {**names, "trials": finished, "points": int(sizes[number])}
        for name, value in quality._asdict().items():
            row[name] = value
            if name == "hypervolume":
                row["expected_hypervolume"] = _expected_volume(values[chosen & counted], smallest, reference)
        rows.append(row)
        fronts = [nondominated(values[chosen & counted & (runs == run)]) for run in dict.fromkeys(runs[chosen])]
        volumes = [volume(front, reference) for front in fronts]
        std = statistics.stdev(volumes) if len(volumes) > 1 else float("nan")
        spreads.append({"runs": len(fronts), "hypervolume_mean": statistics.fmean(volumes), "hypervolume_std": std})
    table = pd.DataFrame(rows)
    if len(view.runs) > 1 and RUN not in grouping.columns:
        table = pd.concat([table, pd.DataFrame(spreads)], axis=1)
    return table


def _expected_volume(values: np.ndarray, size: int, reference: np.ndarray) -> float:
    """Return the mean volume of `size` of the points, (points, objectives), drawn without replacement; NaN for none.

    The draws are always the same.
    """
    if not len(values):
        return float("nan")
    if len(values) == size:
        return volume(values, reference)
    random = np.random.default_rng(0)
    draws = (random.choice(len(values), size, replace=False) for _ in range(DRAWS))
    return statistics.fmean(volume(values[draw], reference) for draw in draws)


def counted_points(view: Overview) -> tuple[np.ndarray, np.ndarray]:
    """Return all points, to be minimised, (points, objectives), and which of them count, (points,)."""
    values = minimised(objective_values(view.points.table, view.objectives), view.objectives)
    return values, view.counted


def _levels(view: Overview, column: str) -> tuple[list[int], list[str], bool]:
    """Return the number of each point's level, the levels' texts, and whether they are numbers in order."""
    values = _values(view, column)
    known = [value for value in values if cell(value) not in ("", "nan")]
    numeric = bool(known) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in known)
    if numeric and (len(set(known)) > MOST_VALUES or _is_sparse(view, column, values)):
        return (*_ranges(values, np.array(known, dtype=float)), True)
    declared = _parameters(view)[column].values if column in _parameters(view) else ()
    declared = tuple(view.runs) if column == RUN else declared
    order = sorted(set(known)) if numeric else [*declared, *sorted(known, key=cell)]
    texts = list(dict.fromkeys([*(cell(value) for value in order), MISSING]))
    places = {text: number for number, text in enumerate(texts)}
    return [places[text if (text := cell(value)) not in ("", "nan") else MISSING] for value in values], texts, numeric


def _is_sparse(view: Overview, column: str, values: Sequence[Any]) -> bool:
    """Say whether a searched number has so few points per value that groups of them would be luck."""
    parameter = _parameters(view).get(column)
    if parameter is None or parameter.type == "choice":
        return False
    counts: dict[str, int] = {text: 0 for value in values if (text := cell(value)) not in ("", "nan")}
    for value, counts_too in zip(values, view.counted, strict=True):
        if counts_too and cell(value) in counts:
            counts[cell(value)] += 1
    return len(counts) > RANGES and statistics.median(counts.values()) < FEWEST_POINTS


def _ranges(values: Sequence[Any], known: np.ndarray) -> tuple[list[int], list[str]]:
    edges = np.quantile(known, np.linspace(0, 1, RANGES + 1)[1:-1])
    placed = np.searchsorted(edges, known, side="left")
    ends = [
        (short(min(part)), short(max(part))) if len(part := known[placed == n]) else ("", "") for n in range(RANGES)
    ]
    texts = [low if low == high else f"{low}–{high}" for low, high in ends]
    found = iter(placed.tolist())
    return [RANGES if cell(value) in ("", "nan") else next(found) for value in values], [*texts, MISSING]


def _values(view: Overview, column: str) -> list[Any]:
    """Return the value of a column at each point; None where a run does not have it."""
    table = view.points.table
    runs = view.run_of(table).tolist()
    if column == RUN:
        return runs
    fixed = {label: _fixed(run.space.fixed, column) for label, run in view.runs.items()}
    searched = column in view.parameter_names and column in table
    if not searched and all(value is None for value in fixed.values()):
        known = [RUN, *view.parameter_names]
        near = difflib.get_close_matches(column, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"give one of {', '.join(known)}, or a key that was kept fixed"
        raise RecordError(f"--by {column}: no run has such a parameter; {hint}")
    own = [value.item() if hasattr(value, "item") else value for value in table[column]] if searched else runs
    return [
        value if searched and cell(value) not in ("", "nan") else fixed[run]
        for value, run in zip(own, runs, strict=True)
    ]


def _fixed(fixed: Mapping[str, Any], dotted: str) -> Any:
    value: Any = fixed
    for part in dotted.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return None if value is None or isinstance(value, Mapping) else recorded(value)


def _parameters(view: Overview) -> dict[str, Parameter]:
    """Return the searched parameters in the order of `view.parameter_names`, as the first run that has them says."""
    every = [parameter for run in view.runs.values() for parameter in run.space.parameters]
    return {name: next(p for p in every if p.name == name) for name in view.parameter_names}
