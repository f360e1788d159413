"""What the page's script knows of each point: what is told where it is pointed at, and its colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from results.charts.encoding import Encoding
from results.charts.web.front import SYMBOLS
from results.front.overview import Overview
from results.records.run import metric_names
from results.records.text import short


def point_columns(view: Overview) -> dict[str, Any]:
    """Return the columns that a hover box is made of, each with a text per row of the points' table.

    A row without objectives is in no chart and has empty texts. Guards have the rows that break them.
    """
    table = view.points.table
    runs = view.run_of(table)
    shown = [verdict != "unfinished" for verdict in view.verdicts]

    def texts(name: str) -> list[str]:
        values = table[name].tolist() if name in table else [None] * len(table)
        return [short(value) if drawn else "" for value, drawn in zip(values, shown, strict=True)]

    objectives = []
    for number, objective in enumerate(view.objectives):
        pairs = zip(texts(objective.metric), view.points.std[:, number], view.points.seeds, strict=True)
        values = [f"{value} ± {short(float(std))}" if seeds > 1 else value for value, std, seeds in pairs]
        objectives.append({"name": objective.metric, "values": values})
    guards = []
    for guard in dict.fromkeys(guard for run in view.runs.values() for guard in run.space.guards):
        holders = [label for label, run in view.runs.items() if guard in run.space.guards]
        own = [drawn and run in holders for drawn, run in zip(shown, runs, strict=True)]
        kept = guard.holds(table[guard.metric].to_numpy(dtype=float)) if guard.metric in table else [False] * len(table)
        broken = [row for row, (of, holds) in enumerate(zip(own, kept, strict=True)) if of and not holds]
        values = [text if of else "" for text, of in zip(texts(guard.metric), own, strict=True)]
        guards.append({"metric": guard.metric, "bounds": guard.bounds, "values": values, "broken": broken})
    said = {o.metric for o in view.objectives} | {guard["metric"] for guard in guards} | set(view.parameter_names)
    metrics = dict.fromkeys(name for run in view.runs.values() for name in metric_names(run.trials, run.space))
    titles = [f"{run}, trial {trial}" for run, trial in zip(runs, table["trial"], strict=True)]
    return {
        "title": titles if len(view.runs) > 1 else [f"trial {trial}" for trial in table["trial"]],
        "more": {row: f", and {seeds - 1} further seeds" for row, seeds in enumerate(view.points.seeds) if seeds > 1},
        "objectives": objectives,
        "guards": guards,
        "parameters": [{"name": name, "values": texts(name)} for name in view.parameter_names],
        "metrics": [{"name": name, "values": texts(name)} for name in metrics if name not in said],
    }


def colour_options(encodings: Sequence[Encoding]) -> list[dict[str, Any]]:
    """Return, of each encoding, its looks and which of them each row of the points' table has.

    Symbols are there only where they tell colours apart.
    """
    options = []
    for encoding in encodings:
        marks = encoding.markers if encoding.marks_colours else (0,) * len(encoding.colours)
        pairs = list(zip(encoding.colours, marks, strict=True))
        looks = {look: number for number, look in enumerate(dict.fromkeys(pairs))}
        symbols = [SYMBOLS[mark] for _, mark in looks] if encoding.marks_colours else None
        colours = [colour for colour, _ in looks]
        options.append({"colours": colours, "symbols": symbols, "of": [looks[look] for look in pairs]})
    return options


def row_symbols(encoding: Encoding) -> list[str]:
    """Return the symbol of each row of the points' table where colours need none."""
    return [SYMBOLS[mark] for mark in encoding.markers]
