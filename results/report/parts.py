"""Owns the parts of the report about what was found: the front, its growth, and how its trials learnt."""

from __future__ import annotations

import html

from results.charts.curves import curve_groups, thinning_notes
from results.charts.encoding import Encoding
from results.charts.web.front import VERDICTS, front_charts
from results.charts.web.lines import curve_chart, curve_legend
from results.charts.web.progress import hypervolume_charts, run_colours
from results.front.overview import Overview
from results.front.points import SEEDS_COLUMN, std_column
from results.records.text import short
from results.report.page import chart_html, colour_legend, legend, note, table


def front_part(view: Overview, encoding: Encoding) -> str:
    """Return the front's charts, with what they show and how."""
    if all(verdict == "unfinished" for verdict in view.verdicts):
        return note("No trial has finished.")
    charts = [chart_html(chart, f"front-{number}") for number, chart in enumerate(front_charts(view, encoding))]
    shown: dict[str, str] = {title: kind for kind, title in reversed(VERDICTS.items()) if kind in view.verdicts}
    shaded = " The shaded area is the hypervolume." if len(view.objectives) == 2 and len(view.front) else ""
    guards = {str(guard) for run in view.runs.values() for guard in run.space.guards}
    rule = f" A trial counts only if it keeps {', '.join(sorted(guards))}." if guards else ""
    spread = ""
    if view.points.repeated:
        shown["one seed"] = "seed"
        spread = " A point with several seeds stands at their means; bars are one standard deviation long to each side."
    text = f"Point at a {view.unit} to see its configuration.{spread}{shaded}{rule}"
    return note(text) + "".join(charts) + legend(encoding, shown, f"{view.unit}s")


def front_table_part(view: Overview) -> str:
    """Return the front as a table."""
    if view.front.empty:
        return note("The front is empty.")
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


def hypervolume_part(view: Overview) -> str:
    """Return the hypervolume over ended trials, over time and over epochs."""
    if not any(len(history) for history in view.histories.values()):
        return note("No trial has ended.")
    reference = ", ".join(f"{o.metric} {o.reference:g}" for o in view.objectives)
    shrinks = " A further seed of a point may let it shrink." if view.points.repeated else ""
    charts = [chart_html(chart, f"hypervolume-{number}") for number, chart in enumerate(hypervolume_charts(view))]
    text = f"Volume between the front and the reference point ({reference}).{shrinks}"
    return (
        note(text)
        + f'<div class="row">{"".join(charts)}</div>'
        + (colour_legend([(label, colour, "━") for label, colour in run_colours(view)]) if len(view.runs) > 1 else "")
    )


def curves_part(view: Overview) -> str:
    """Return the learning curves of each objective."""
    groups = {objective: curve_groups(view, objective) for objective in view.objectives}
    notes = dict.fromkeys(line for found in groups.values() for line in thinning_notes(found))
    parts = [note("Not all are drawn: " + "; ".join(notes) + ".")] if notes else []
    drawn = [(objective, found) for objective, found in groups.items() if found]
    for number, (objective, found) in enumerate(drawn):
        chart = chart_html(curve_chart(objective, found), f"curves-{number}")
        parts.append(f"<h3>{html.escape(objective.metric)}</h3>{chart}{curve_legend(found)}")
    return "".join(parts) or note("No learning curve of an objective was recorded.")
