"""How points look: which column their colour shows, which their marker, and what both mean.

Numbers get shades from dark to light in their order; names a colour each, and from the eighth on the same colours
again with the next marker, so that no two look alike. Names beyond `MOST_NAMES` are grey together, and the legend says
how many they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from results.charts.style import CATEGORICAL, MISSING_COLOUR, SEQUENTIAL, evenly
from results.front.overview import Overview
from results.records.space import Parameter
from results.records.text import cell, short

MARKERS = 6
NOT_SET = MARKERS  # the number of the marker of a choice that is not set
MOST_NAMES = 3 * len(CATEGORICAL)
LEGEND_VALUES = 7  # of numbers; more are thinned to `LEGEND_SHADES`
LEGEND_SHADES = 5
RUN = "run"


@dataclass(frozen=True)
class Encoding:
    """How points look.

    Attributes:
        colour_title: What the colour shows; "" if it shows nothing.
        colours: Colour of each point.
        colour_legend: Values with their colour and marker number; a spread of them if they are many numbers.
        marker_title: What the marker shows besides; "" if it shows nothing, or tells more colours apart.
        markers: Number of each point's marker, from 0 to `NOT_SET`.
        marker_legend: Values and their marker numbers.
    """

    colour_title: str
    colours: tuple[str, ...]
    colour_legend: tuple[tuple[str, str, int], ...]
    marker_title: str
    markers: tuple[int, ...]
    marker_legend: tuple[tuple[str, int], ...]

    @property
    def marks_colours(self) -> bool:
        """Whether markers show what the colours do, since there are too few of these."""
        return not self.marker_legend and any(self.markers)


def encode(view: Overview, column: str | None = None) -> Encoding:
    """Choose colour and marker of each point.

    One run: colour is the first choice or int parameter, marker the next choice. Several runs: colour is the
    run, marker the first choice. A choice with more values than there are markers is passed over for the marker.

    Args:
        view: The run or runs.
        column: Show this by colour instead, one of `colour_columns`.
    """
    parameters = list(next(iter(view.runs.values())).space.parameters)
    usual = None if len(view.runs) > 1 else next((p for p in parameters if p.type in ("choice", "int")), None)
    after = parameters[parameters.index(usual) + 1 :] if usual else parameters
    marked = next((p for p in after if p.type == "choice" and 1 < len(p.values) <= MARKERS), None)
    if column is None:
        column = RUN if len(view.runs) > 1 else usual.name if usual else ""
    colours, second, colour_legend = _coloured(view, column)
    if second:
        return Encoding(column, colours, colour_legend, "", second, ())
    markers, marker_legend = _marked(view, marked)
    return Encoding(column, colours, colour_legend, marked.name if marked else "", markers, marker_legend)


def colour_columns(view: Overview) -> list[str]:
    """Return what the colour can show, what it shows if nobody chooses first; only columns that vary."""
    names = [RUN] if len(view.runs) > 1 else []
    for name in view.parameter_names:
        varies = len({text for text in map(cell, _values(view, name)) if text not in ("", "nan")}) > 1
        if varies and any(p.type != "line" for p in _declared(view, name)):
            names.append(name)
    usual = encode(view).colour_title
    return [usual, *(name for name in names if name != usual)] if usual else names


def named_look(number: int) -> tuple[str, int]:
    """Return the colour of the n-th of several names, and its second mark: a marker, or a kind of line."""
    if number >= MOST_NAMES:
        return MISSING_COLOUR, 0
    return CATEGORICAL[number % len(CATEGORICAL)], number // len(CATEGORICAL)


def ramp(levels: Sequence[Any]) -> list[str]:
    """Return a colour per level, evenly spread in their order along the sequential colours."""
    return shades(np.argsort(np.argsort(levels)) / max(len(levels) - 1, 1))


def shades(places: np.ndarray) -> list[str]:
    """Return the colour at each place, (places,), from 0 to 1 along the sequential colours."""
    anchors = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in SEQUENTIAL], dtype=float)
    along = np.asarray(places, dtype=float) * (len(SEQUENTIAL) - 1)
    mixed = np.stack([np.interp(along, np.arange(len(SEQUENTIAL)), anchors[:, i]) for i in range(3)], axis=1)
    return ["#" + "".join(f"{round(part):02x}" for part in colour) for colour in mixed]


Coloured = tuple[tuple[str, ...], tuple[int, ...], tuple[tuple[str, str, int], ...]]


def _coloured(view: Overview, column: str) -> Coloured:
    """Return each point's colour, its second mark (none where colours suffice), and the legend."""
    count = len(view.points.table)
    if not column:
        return (CATEGORICAL[0],) * count, (), ()
    declared = _declared(view, column)
    values = _values(view, column)
    texts = [cell(value) for value in values]
    known = [value for value, text in zip(values, texts, strict=True) if text not in ("", "nan")]
    shown = [verdict != "unfinished" for verdict in view.verdicts]
    lacking = any(drawn and text in ("", "nan") for drawn, text in zip(shown, texts, strict=True))
    missing = (("not set", MISSING_COLOUR, 0),) if lacking else ()
    if any(p.type in ("float", "log") for p in declared) and known:
        numbers = np.array([v if t not in ("", "nan") else np.nan for v, t in zip(values, texts, strict=True)], float)
        colours, legend = _continuous(numbers, all(p.logarithmic for p in declared))
        return colours, (), (*legend, *missing)
    # Declared first: a choice keeps its order in the space, and its colours while the run goes on.
    first = list(view.runs) if column == RUN else [value for p in declared for value in p.values]
    numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (*first, *known))
    levels = sorted({*first, *known}) if numeric else list(dict.fromkeys([*map(cell, first), *map(cell, known)]))
    looks = [(colour, 0) for colour in ramp(levels)] if numeric else [named_look(n) for n in range(len(levels))]
    by_text = {cell(level): look for level, look in zip(levels, looks, strict=True)}
    legend = tuple((text, *look) for text, look in by_text.items())
    if numeric and len(legend) > LEGEND_VALUES:
        legend = tuple(legend[position] for position in evenly(len(legend), LEGEND_SHADES))
    if not numeric and len(legend) > MOST_NAMES:
        more = (f"and {len(legend) - MOST_NAMES} more", MISSING_COLOUR, 0)
        legend = (*legend[:MOST_NAMES], more)
    found = [by_text.get(text, (MISSING_COLOUR, 0)) for text in texts]
    second = tuple(mark for _, mark in found) if not numeric and len(levels) > len(CATEGORICAL) else ()
    return tuple(colour for colour, _ in found), second, (*legend, *missing)


def _continuous(numbers: np.ndarray, logarithmic: bool) -> tuple[tuple[str, ...], tuple[tuple[str, str, int], ...]]:
    low, high = float(np.nanmin(numbers)), float(np.nanmax(numbers))
    scale = np.log if logarithmic and low > 0 else np.asarray
    span = float(scale(high) - scale(low)) or 1.0
    places = np.round((scale(numbers) - float(scale(low))) / span * 63) / 63  # more shades would not be told apart
    colours = iter(shades(places[np.isfinite(places)]))
    ends = np.geomspace(low, high, LEGEND_SHADES) if scale is np.log else np.linspace(low, high, LEGEND_SHADES)
    legend = zip(map(short, ends.tolist()), shades(np.linspace(0, 1, LEGEND_SHADES)), strict=True)
    shown = tuple(next(colours) if np.isfinite(place) else MISSING_COLOUR for place in places)
    return shown, tuple((text, colour, 0) for text, colour in legend)


def _marked(view: Overview, parameter: Parameter | None) -> tuple[tuple[int, ...], tuple[tuple[str, int], ...]]:
    if parameter is None:
        return (0,) * len(view.points.table), ()
    numbers = {cell(value): number for number, value in enumerate(parameter.values)}
    found = tuple(numbers.get(cell(value), NOT_SET) for value in _values(view, parameter.name))
    drawn = {number for number, verdict in zip(found, view.verdicts, strict=True) if verdict != "unfinished"}
    return found, (*numbers.items(), *([("not set", NOT_SET)] if NOT_SET in drawn else []))


def _declared(view: Overview, name: str) -> list[Parameter]:
    return [p for run in view.runs.values() for p in run.space.parameters if p.name == name]


def _values(view: Overview, column: str) -> list[Any]:
    table = view.points.table
    if column == RUN:
        return view.run_of(table).tolist()
    return table[column].tolist() if column in table else [None] * len(table)
