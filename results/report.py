"""Owns `report.html`: one file that opens anywhere, offline, with everything a reader of a run asks for.

plotly.js lies inside the file. The same records give the same bytes: nothing in it depends on the moment.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import yaml

from results.cells import write_atomically
from results.encoding import Encoding, encode
from results.front import broken_guards
from results.overview import Overview
from results.points import SEEDS_COLUMN, std_column
from results.records import metric_names
from results.report_charts import VERDICTS, front_charts, hypervolume_chart
from results.report_curves import curve_chart
from results.report_page import cards, legend, page, section, table
from results.table_text import short

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def write_report(view: Overview, path: Path, warnings: Sequence[str] = ()) -> None:
    """Write the report.

    Args:
        view: What to report on.
        path: The HTML file to write, in one step.
        warnings: Lines to show beside the view's own.
    """
    encoding = encode(view)
    body = [
        cards(_counts(view)),
        "".join(f'<p class="warning">{html.escape(line)}</p>' for line in (*view.warnings, *warnings)),
        section("Front", _front(view, encoding)),
        section("On the front", _front_table(view)),
        section("Hypervolume", _hypervolume(view)),
        section("Learning curves", _curves(view)),
        section("Trials that did not count", _others(view)),
        section("Provenance", _provenance(view)),
    ]
    write_atomically(path, page(view.title, _subtitle(view), body))


def _subtitle(view: Overview) -> str:
    goals = ", ".join(f"{o.direction} {o.metric}" for o in view.objectives)
    return goals if len(view.runs) == 1 else f"{goals} · runs {', '.join(view.runs)}"


def _counts(view: Overview) -> list[tuple[str, str]]:
    states = view.trials["state"].value_counts()
    counted = [(str(states.get(state, 0)), state) for state in ("finished", "stopped", "failed", "interrupted")]
    seconds = sum(history["seconds"].max() for history in view.histories.values() if len(history))
    return [
        (str(len(view.front)), "on the front"),
        (f"{view.hypervolume:.4g}", "hypervolume"),
        *[(count, state) for count, state in counted if state in ("finished", "failed") or count != "0"],
        (str(int(view.trials["epochs"].fillna(0).sum())), "epochs"),
        (_duration(float(seconds)), "search time"),
    ]


def _duration(seconds: float) -> str:
    if seconds != seconds:
        return "–"
    hours, minutes = divmod(round(seconds) // 60, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {round(seconds) % 60:02d} s"


def _chart(chart: Figure, name: str) -> str:
    config = {"responsive": True, "displaylogo": False, "displayModeBar": False}
    drawn = chart.to_html(full_html=False, include_plotlyjs=False, config=config, div_id=name)
    return f'<div class="chart">{drawn}</div>'


def _front(view: Overview, encoding: Encoding) -> str:
    if all(verdict == "unfinished" for verdict in view.verdicts):
        return '<p class="note">No trial has finished.</p>'
    charts = [_chart(chart, f"front-{number}") for number, chart in enumerate(front_charts(view, encoding))]
    shown: dict[str, str] = {title: kind for kind, title in reversed(VERDICTS.items()) if kind in view.verdicts}
    shaded = " The shaded area is the hypervolume." if len(view.objectives) == 2 and len(view.front) else ""
    guards = {str(guard) for run in view.runs.values() for guard in run.space.guards}
    rule = f" A trial counts only if it keeps {', '.join(sorted(guards))}." if guards else ""
    spread = ""
    if view.points.repeated:
        shown["one seed"] = "seed"
        spread = " A point with several seeds stands at their means; bars are one standard deviation long to each side."
    note = f'<p class="note">Point at a {view.unit} to see its configuration.{spread}{shaded}{html.escape(rule)}</p>'
    return note + "".join(charts) + legend(encoding, shown, f"{view.unit}s")


def _front_table(view: Overview) -> str:
    if view.front.empty:
        return '<p class="note">The front is empty.</p>'
    first = ["names", *(["run"] if "run" in view.front else []), "trial"]
    objectives = [name for o in view.objectives for name in (o.metric, std_column(o)) if name in view.front]
    first += [SEEDS_COLUMN] if SEEDS_COLUMN in view.front else []
    guarded = [guard.metric for run in view.runs.values() for guard in run.space.guards]
    columns = list(dict.fromkeys([*first, *objectives, *view.parameter_names, *guarded]))
    rows = [
        [short(row[name]).replace("+", " + ") if name == "names" else short(row[name]) for name in columns]
        for _, row in view.front[columns].iterrows()
    ]
    return table(columns, rows, emphasised=("names",))


def _hypervolume(view: Overview) -> str:
    if not any(len(history) for history in view.histories.values()):
        return '<p class="note">No trial has ended.</p>'
    reference = ", ".join(f"{o.metric} {o.reference:g}" for o in view.objectives)
    shrinks = " A further seed of a point may let it shrink." if view.points.repeated else ""
    note = f'<p class="note">Volume between the front and the reference point ({html.escape(reference)}).{shrinks}</p>'
    return note + _chart(hypervolume_chart(view), "hypervolume")


def _curves(view: Overview) -> str:
    parts = []
    for number, objective in enumerate(view.objectives):
        chart = curve_chart(view, objective)
        if chart is not None:
            parts.append(f"<h3>{html.escape(objective.metric)}</h3>" + _chart(chart, f"curves-{number}"))
    return "".join(parts) or '<p class="note">No learning curve of an objective was recorded.</p>'


def _others(view: Overview) -> str:
    """List every trial, or point with several seeds, that is no candidate for the front, with the reason."""
    rows = []
    pooled = view.points.table
    for label, run in view.runs.items():
        points = pooled[pooled["run"] == label] if "run" in pooled else pooled
        broken = broken_guards(points, run.space.guards)
        counts = view.points.seeds[points.index.to_numpy()]
        for (_, row), guards, seeds in zip(points.iterrows(), broken, counts, strict=True):
            finished = row["state"] == "finished"
            of = f" by the means of {seeds} seeds" if seeds > 1 else ""
            reason = row["reason"] or (guards and f"guard not kept{of}: {guards}") or _not_finite(view, row)
            if not finished or guards or _not_finite(view, row):
                state = "finished" if finished else str(row["state"])
                rows.append([label, str(row["trial"]), state, reason, short(row["epochs"])])
    if not rows:
        return '<p class="note">Every trial finished and kept every guard.</p>'
    columns = ["run", "trial", "state", "reason", "epochs"]
    skip = 0 if len(view.runs) > 1 else 1
    return table(columns[skip:], [row[skip:] for row in rows])


def _not_finite(view: Overview, row: pd.Series) -> str:
    missing = [o.metric for o in view.objectives if not abs(row.get(o.metric, float("nan"))) < float("inf")]
    return f"no finite {', '.join(missing)}" if missing else ""


def _provenance(view: Overview) -> str:
    parts = []
    for label, run in view.runs.items():
        space = run.space.model_dump(mode="json", exclude={"provenance"}, exclude_none=True)
        measured = ", ".join(metric_names(run.trials, run.space)) or "none"
        parts.append(
            (f"<h3>{html.escape(label)}</h3>" if len(view.runs) > 1 else "")
            + f"<pre>{html.escape(_yaml(run.space.provenance or {'provenance': 'not recorded'}))}</pre>"
            + f"<details><summary>The space that was searched</summary><pre>{html.escape(_yaml(space))}</pre></details>"
            + f'<p class="note">Metrics recorded: {html.escape(measured)}.</p>'
        )
    return "".join(parts)


def _yaml(value: object) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100).rstrip()
