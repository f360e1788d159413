"""Owns the parts of the report about the search itself: what mattered, what did not count, and what it cost."""

from __future__ import annotations

import html
from collections.abc import Sequence

from results.charts.costs import StateCost, costs
from results.charts.encoding import Encoding
from results.charts.importance import HYPERVOLUME, Importance, importances, same_space
from results.charts.not_counted import NotCounted, not_counted, reasons
from results.charts.parallel import parallel_lines
from results.charts.thinning import thinned_note
from results.charts.web.bars import cost_chart, importance_chart
from results.charts.web.parallel import AXIS_WIDTH_PX, parallel_chart
from results.front.overview import Overview
from results.records.text import short
from results.report.page import chart_html, note, table

MOST_LISTED = 300
EXAMPLES = 5


def importance_part(view: Overview) -> str:
    """Return how important the parameters are for each objective and for the hypervolume."""
    if not same_space(view):
        return note("The runs search different parameters; each run's own report shows their importance.")
    parameters, found = importances(view)
    told = [importance for importance in found if importance.shares]
    lacking = [f"{importance.target}: {importance.lacking}" for importance in found if importance.lacking]
    if not told:
        return note("Too little to tell. " + _sentence(list(dict.fromkeys(i.lacking for i in found))))
    parts = [note(_importance_text(told)), chart_html(importance_chart(parameters, found), "importance")]
    return "".join(parts) + (note("Not shown. " + _sentence(lacking)) if lacking else "")


def _importance_text(told: Sequence[Importance]) -> str:
    best = ", ".join(dict.fromkeys(f"{importance.best} of {importance.trials}" for importance in told))
    volume = ""
    if any(importance.target == HYPERVOLUME for importance in told):
        volume = " For the hypervolume they are those that dominate most volume on their own, guards kept."
    return (
        f"How much the values of a parameter among the best trials ({best}) differ from its values among all finished "
        f"trials (PED-ANOVA); the bars of one colour add up to 100 %.{volume} The fewer trials, the rougher."
    )


def parallel_part(view: Overview, encoding: Encoding) -> str:
    """Return the parallel coordinates of parameters and objectives."""
    lines = parallel_lines(view)
    if not lines.rows:
        return note("No trial has finished.")
    thinned = [
        thinned_note(len(lines.rows) - sum(v == "front" for v in lines.verdicts), lines.others, "other lines"),
        thinned_note(sum(v == "front" for v in lines.verdicts), lines.fronts, "lines of the front"),
    ]
    shown = "".join(f" {text[0].upper()}{text[1:]}." for text in thinned if text)
    coloured = f", in the colours of {encoding.colour_title}" if encoding.colour_title else ""
    text = (
        f"One line per {view.unit}; the front's are strong{coloured}, others grey, guard-breaking ones faint. "
        f"Objectives have their best value at the top.{shown} Point at a line to see what it is."
    )
    width = AXIS_WIDTH_PX * len(lines.axes)
    return note(text) + chart_html(parallel_chart(view, encoding, lines), "parallel", width)


def others_part(view: Overview) -> str:
    """Return why trials did not count: how often each reason occurs, and every trial."""
    trials = not_counted(view)
    if not trials:
        return note("Every trial finished and kept every guard.")
    rows = []
    for reason in reasons(trials):
        named = ", ".join(_name(view, trial) for trial in reason.trials[:EXAMPLES])
        more = ", …" if len(reason.trials) > EXAMPLES else ""
        rows.append([f"{len(reason.trials)}", reason.state, reason.text, named + more])
    summary = table(["number", "state", "reason", f"{view.unit}s"], rows)
    columns = ["run", "trial", "state", "reason", "epochs"]
    skip = 0 if len(view.runs) > 1 else 1
    listed = [[t.run, t.trial, t.state, t.reason, short(t.epochs)][skip:] for t in trials[:MOST_LISTED]]
    cut = f" (the first {MOST_LISTED} of {len(trials):,}; trials.csv has all)" if len(trials) > MOST_LISTED else ""
    title = f"Each of them{cut}"
    return summary + f"<details><summary>{html.escape(title)}</summary>{table(columns[skip:], listed)}</details>"


def _name(view: Overview, trial: NotCounted) -> str:
    return f"{trial.run} · {trial.trial}" if len(view.runs) > 1 else trial.trial


def cost_part(view: Overview) -> str:
    """Return seconds and epochs by how the trials ended."""
    found = costs(view.trials)
    if not found:
        return note("No trial has ended.")
    text = (
        "Seconds of work are summed over trials that may have run side by side, each with writing its model; "
        "waiting and lost work are not in them."
    )
    columns = ["state", "trials", "epochs", "seconds", "median per trial (s)", "longest (s)", "s per epoch"]
    return note(text) + chart_html(cost_chart(found), "cost") + table(columns, [_cost_row(cost) for cost in found])


def _cost_row(cost: StateCost) -> list[str]:
    seconds = (cost.seconds, cost.median_s, cost.longest_s, cost.seconds_per_epoch)
    shown = [f"{seconds[0]:.1f}", *(short(value) for value in seconds[1:])]
    return [cost.title, str(cost.trials), str(cost.epochs), *shown]


def _sentence(parts: Sequence[str]) -> str:
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""
