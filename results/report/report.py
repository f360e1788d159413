"""Write `report.html`: one file that opens anywhere, offline, with everything a reader of a run asks for.

plotly.js lies inside the file. The same records give the same bytes: nothing in it depends on the moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup

from results.charts.costs import costs, not_counted, reasons
from results.charts.curves import curve_groups, thinning_notes
from results.charts.importance import HYPERVOLUME, importances, same_space
from results.charts.parallel import parallel_lines
from results.charts.style import Encoding, encode, thinned_note
from results.charts.web.bars import cost_chart, importance_chart
from results.charts.web.front import front_charts, front_legend
from results.charts.web.lines import (
    AXIS_WIDTH_PX,
    curve_chart,
    curve_legend,
    hypervolume_charts,
    parallel_chart,
    run_legend,
)
from results.front.overview import Overview
from results.front.points import SEEDS_COLUMN, epochs_spent, std_column
from results.records.files import write_atomically
from results.records.run import metric_names
from results.records.text import short
from results.report.page import chart_html, render

SHORT_MINUTES = 10  # from here on, seconds are not worth their room
MOST_LISTED = 300
EXAMPLES = 5


def write_report(view: Overview, path: Path, warnings: Sequence[str] = (), reload_s: int | None = None) -> None:
    """Write the report, in one step, with warnings to show beside the view's own.

    An open page loads itself again after `reload_s` seconds; None for a page that stays.
    """
    from plotly.offline import get_plotlyjs

    encoding = encode(view)
    goals = ", ".join(f"{o.direction} {o.metric}" for o in view.objectives)
    page = render(
        "report/page.html.j2",
        view=view,
        encoding=encoding,
        plotly=Markup(get_plotlyjs()),
        reload_s=reload_s,
        subtitle=goals if len(view.runs) == 1 else f"{goals} · runs {', '.join(view.runs)}",
        counts=_counts(view),
        warnings=[*view.warnings, *warnings],
        front=_front(view, encoding),
        growth=_growth(view),
        curves=_curves(view),
        importance=_importance(view),
        parallel=_parallel(view, encoding),
        others=_others(view),
        cost=_cost(view),
        provenance=_provenance(view),
    )
    write_atomically(path, page)


def _counts(view: Overview) -> list[tuple[str, str]]:
    states = view.trials["state"].value_counts()
    counted = [(f"{states.get(state, 0):,}", state) for state in ("finished", "stopped", "failed", "interrupted")]
    seconds = sum(history["seconds"].max() for history in view.histories.values() if len(history))
    return [
        (f"{len(view.front):,}", "on the front"),
        (f"{view.hypervolume:.4g}", "hypervolume"),
        *[(count, state) for count, state in counted if state in ("finished", "failed") or count != "0"],
        (f"{int(epochs_spent(view.trials).sum()):,}", "epochs"),
        (_duration(float(seconds)), "search time"),
    ]


def _duration(seconds: float) -> str:
    if seconds != seconds:
        return "–"
    hours, minutes = divmod(round(seconds) // 60, 60)
    if hours or minutes >= SHORT_MINUTES:
        return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
    return f"{minutes} min {round(seconds) % 60} s" if minutes else f"{round(seconds)} s"


def _front(view: Overview, encoding: Encoding) -> dict[str, Any]:
    """Return the front's charts, none where no trial has finished, and the front as a table."""
    unfinished = all(verdict == "unfinished" for verdict in view.verdicts)
    charts = [] if unfinished else front_charts(view, encoding)
    first = ["names", *(["run"] if "run" in view.front else []), "trial"]
    objectives = [name for o in view.objectives for name in (o.metric, std_column(o)) if name in view.front]
    first += [SEEDS_COLUMN] if SEEDS_COLUMN in view.front else []
    guards = [guard for run in view.runs.values() for guard in run.space.guards]
    columns = list(dict.fromkeys([*first, *objectives, *view.parameter_names, *(guard.metric for guard in guards)]))
    rows = [] if view.front.empty else [[short(value) for value in row] for row in view.front[columns].to_numpy()]
    return {
        "charts": [chart_html(chart, f"front-{number}") for number, chart in enumerate(charts)],
        "legend": front_legend(view, encoding),
        "guards": sorted({str(guard) for guard in guards}),
        "columns": columns,
        "rows": [[row[0].replace("+", " + "), *row[1:]] for row in rows],
    }


def _growth(view: Overview) -> dict[str, Any]:
    charts = hypervolume_charts(view) if any(map(len, view.histories.values())) else []
    drawn = [chart_html(chart, f"hypervolume-{number}") for number, chart in enumerate(charts)]
    return {"charts": drawn, "legend": run_legend(view)}


def _curves(view: Overview) -> dict[str, Any]:
    by_objective = {objective: curve_groups(view, objective) for objective in view.objectives}
    drawn = [(objective, groups) for objective, groups in by_objective.items() if groups]
    charts = [
        (objective.metric, chart_html(curve_chart(objective, groups), f"curves-{number}"), curve_legend(groups))
        for number, (objective, groups) in enumerate(drawn)
    ]
    notes = dict.fromkeys(line for groups in by_objective.values() for line in thinning_notes(groups))
    return {"charts": charts, "notes": list(notes)}


def _importance(view: Overview) -> dict[str, Any] | None:
    """Return how important the parameters are for each objective and the hypervolume; None for different spaces."""
    if not same_space(view):
        return None
    parameters, targets = importances(view)
    told = [importance for importance in targets if importance.values]
    # Where nothing can be told, it is for the same reason, which then needs no target.
    lacking = [f"{i.target}: {i.lacking}" if told else i.lacking for i in targets if i.lacking]
    return {
        "chart": chart_html(importance_chart(parameters, targets), "importance") if told else "",
        "best": ", ".join(dict.fromkeys(f"{importance.best} of {importance.points}" for importance in told)),
        "of_hypervolume": any(importance.target == HYPERVOLUME for importance in told),
        "lacking": _capital("; ".join(dict.fromkeys(lacking))) + "." if lacking else "",
    }


def _parallel(view: Overview, encoding: Encoding) -> dict[str, Any]:
    lines = parallel_lines(view)
    if not lines.rows:
        return {"chart": ""}
    fronts = lines.verdicts.count("front")
    thinned = [
        thinned_note(len(lines.rows) - fronts, lines.others, "other lines"),
        thinned_note(fronts, lines.fronts, "lines of the front"),
    ]
    width = AXIS_WIDTH_PX * len(lines.axes)
    chart = chart_html(parallel_chart(view, encoding, lines), "parallel", width)
    return {"chart": chart, "thinned": [_capital(text) for text in thinned if text]}


def _others(view: Overview) -> dict[str, Any]:
    """Return why trials did not count: how often each reason occurs, and every trial."""
    trials = not_counted(view)
    skip = 0 if len(view.runs) > 1 else 1
    counted = []
    for reason in reasons(trials):
        named = ", ".join(" · ".join((trial.run, trial.trial)[skip:]) for trial in reason.trials[:EXAMPLES])
        more = ", …" if len(reason.trials) > EXAMPLES else ""
        counted.append([f"{len(reason.trials)}", reason.state, reason.text, named + more])
    return {
        "total": len(trials),
        "reasons": counted,
        "columns": ["run", "trial", "state", "reason", "epochs"][skip:],
        "rows": [[t.run, t.trial, t.state, t.reason, short(t.epochs)][skip:] for t in trials[:MOST_LISTED]],
    }


def _cost(view: Overview) -> dict[str, Any]:
    by_state = costs(view.trials)
    rows = []
    for cost in by_state:
        times = (cost.median_s, cost.longest_s, cost.seconds_per_epoch)
        rows.append([cost.title, str(cost.trials), str(cost.epochs), f"{cost.seconds:.1f}", *map(short, times)])
    return {"chart": chart_html(cost_chart(by_state), "cost") if rows else "", "rows": rows}


def _provenance(view: Overview) -> list[tuple[str, str, str, str]]:
    runs = []
    for label, run in view.runs.items():
        space = run.space.model_dump(mode="json", exclude={"provenance"}, exclude_none=True)
        provenance = run.space.provenance or {"provenance": "not recorded"}
        runs.append((label, _yaml(provenance), _yaml(space), ", ".join(metric_names(run.trials, run.space))))
    return runs


def _yaml(value: object) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100).rstrip()


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
