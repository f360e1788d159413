"""Owns how a point's parameters become colour and marker, the same in the printed figure and in the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from results.front.overview import Overview
from results.records.files import cell
from results.records.space import Parameter

# Dark enough on white at both ends; viridis without its yellow.
SEQUENTIAL = ("#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#b5b52a")
# Okabe and Ito's colours, told apart with any colour vision.
CATEGORICAL = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6b7280")
PLAIN = "#0072b2"
MARKERS = 6
LEGEND_VALUES = 7
MISSING = "–"


@dataclass(frozen=True)
class Encoding:
    """How points look.

    Attributes:
        colour_title: What the colour shows; "" if it shows nothing.
        colours: Colour of each point.
        colour_legend: Values and their colours; a spread of them if there are many.
        marker_title: What the marker shows; "" if it shows nothing.
        markers: Number of each point's marker, from 0 to `MARKERS` - 1.
        marker_legend: Values and their marker numbers.
    """

    colour_title: str
    colours: tuple[str, ...]
    colour_legend: tuple[tuple[str, str], ...]
    marker_title: str
    markers: tuple[int, ...]
    marker_legend: tuple[tuple[str, int], ...]


def encode(view: Overview) -> Encoding:
    """Choose colour and marker.

    One run: colour is the first choice or int parameter, marker the next choice. Several runs: colour is the
    run, marker the first choice. A choice with more values than there are markers is passed over for the marker.
    """
    points = view.points.table
    parameters = list(next(iter(view.runs.values())).space.parameters)
    coloured = None if "run" in points else _first(parameters, ("choice", "int"))
    after = parameters[parameters.index(coloured) + 1 :] if coloured else parameters
    marked = next((p for p in after if p.type == "choice" and 1 < len(p.values) <= MARKERS), None)
    column = "run" if "run" in points else coloured.name if coloured else ""
    declared = tuple(view.runs) if column == "run" else coloured.values if coloured else ()
    colours, colour_legend = _colours(points, column, declared)
    markers, marker_legend = _markers(points, marked)
    return Encoding(column, colours, colour_legend, marked.name if marked else "", markers, marker_legend)


def _first(parameters: Sequence[Parameter], types: tuple[str, ...]) -> Parameter | None:
    return next((parameter for parameter in parameters if parameter.type in types), None)


def _colours(
    trials: pd.DataFrame, column: str, declared: Sequence[Any]
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    if not column:
        return (PLAIN,) * len(trials), ()
    values = list(trials[column])
    # Declared first: a choice keeps its order in the space, and its colours while the run goes on.
    levels = list(declared) or sorted({value for value in values if not pd.isna(value)})
    numeric = all(isinstance(level, int | float) and not isinstance(level, bool) for level in levels)
    palette = _ramp(levels) if numeric else [CATEGORICAL[n % len(CATEGORICAL)] for n in range(len(levels))]
    by_text = {cell(level): colour for level, colour in zip(levels, palette, strict=True)}
    legend = list(by_text.items())
    if len(legend) > LEGEND_VALUES:
        spread = np.unique(np.linspace(0, len(legend) - 1, 5).round().astype(int))
        legend = [legend[position] for position in spread]
    return tuple(by_text.get(cell(value), "#9aa0a6") for value in values), tuple(legend)


def _ramp(levels: Sequence[Any]) -> list[str]:
    """Return a colour per level, evenly spread in their order along the sequential colours."""
    anchors = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in SEQUENTIAL], dtype=float)
    places = np.argsort(np.argsort(levels)) / max(len(levels) - 1, 1) * (len(SEQUENTIAL) - 1)
    mixed = np.stack([np.interp(places, np.arange(len(SEQUENTIAL)), anchors[:, i]) for i in range(3)], axis=1)
    return ["#" + "".join(f"{round(part):02x}" for part in colour) for colour in mixed]


def _markers(trials: pd.DataFrame, parameter: Parameter | None) -> tuple[tuple[int, ...], tuple[tuple[str, int], ...]]:
    if parameter is None:
        return (0,) * len(trials), ()
    numbers = {cell(value): number for number, value in enumerate(parameter.values)}
    column = trials[parameter.name] if parameter.name in trials else [None] * len(trials)
    return tuple(numbers.get(cell(value), 0) for value in column), tuple(numbers.items())
