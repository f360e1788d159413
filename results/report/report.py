"""Write `report.html`: one file that opens anywhere, offline, with everything a reader of a run asks for.

plotly.js lies inside the file, packed, and so do the figures; `page.js` unpacks and draws them. The same records give
the same bytes: nothing in it depends on the moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from results.charts.costs import costs, not_counted, reasons
from results.charts.curves import CurveGroup, curve_groups, thinning_notes
from results.charts.encoding import Encoding, colour_columns, encode
from results.charts.importance import HYPERVOLUME, Importance, importances, same_space
from results.charts.outline import named_points
from results.charts.parallel import parallel_lines
from results.charts.style import thinned_note
from results.charts.web.bars import cost_chart, importance_chart
from results.charts.web.front import encoding_legend, front_charts, front_legend
from results.charts.web.lines import (
    AXIS_WIDTH_PX,
    curve_chart,
    curve_legend,
    hypervolume_charts,
    parallel_chart,
    run_legend,
)
from results.charts.web.points import colour_options, point_columns, row_symbols
from results.front.overview import CONTRIBUTION_COLUMN, ON_FRONT_COLUMN, Overview, again_column
from results.front.points import SEEDS_COLUMN, epochs_spent, std_column
from results.records.files import write_atomically
from results.records.objectives import Objective
from results.records.run import metric_names
from results.records.text import short
from results.report.page import Chart, packed_plotly, page_data, render

SHORT_MINUTES = 10  # from here on, seconds are not worth their room
MOST_LISTED = 300
EXAMPLES = 5


class Live(NamedTuple):
    """How an open page learns that another was written.

    Attributes:
        stamp: What the small file beside the newest page says; this page's own.
        beside: Name of that file.
        pause_s: Seconds until the page looks at it again.
    """

    stamp: str
    beside: str
    pause_s: float


def write_report(view: Overview, path: Path, warnings: Sequence[str] = (), live: Live | None = None) -> None:
    """Write the report, in one step, with warnings to show beside the view's own.

    With `live` an open page loads itself again when another was written; None for a page that stays.
    """
    encodings = [encode(view, column) for column in colour_columns(view)] or [encode(view)]
    goals = ", ".join(f"{o.direction} {o.metric}" for o in view.objectives)
    front, growth, curves = _front(view, encodings), _growth(view), _curves(view)
    importance, parallel, cost = _importance(view), _parallel(view, encodings[0]), _cost(view)
    charts = [*front["charts"], *growth["charts"], *(chart for _, chart, _ in curves["charts"])]
    charts += [part["chart"] for part in (importance, parallel, cost) if part and part["chart"]]
    data = page_data(
        charts,
        points=point_columns(view),
        colours=colour_options(encodings),
        symbols=row_symbols(encodings[0]),
    )
    page = render(
        "report/page.html.j2",
        view=view,
        encodings=encodings,
        plotly=packed_plotly() if charts else "",
        data=data,
        live=live._asdict() if live else None,
        subtitle=goals if len(view.runs) == 1 else f"{goals} · runs {', '.join(view.runs)}",
        counts=_counts(view),
        warnings=[*view.warnings, *warnings],
        front=front,
        growth=growth,
        curves=curves,
        importance=importance,
        parallel=parallel,
        others=_others(view),
        cost=cost,
        provenance=_provenance(view),
    )
    write_atomically(path, page)


def _counts(view: Overview) -> list[tuple[str, str]]:
    states = view.trials["state"].value_counts()
    counted = [(f"{states.get(state, 0):,}", state) for state in ("finished", "stopped", "failed", "interrupted")]
    seconds = sum(history["seconds"].max() for history in view.histories.values() if len(history))
    return [
        (f"{len(view.front):,}", "on the front"),
        (f"{view.hypervolume:.4g}", "hypervolume as selected"),
        *_again(view),
        *[(count, state) for count, state in counted if state in ("finished", "failed") or count != "0"],
        (f"{int(epochs_spent(view.trials).sum()):,}", "epochs"),
        (_duration(float(seconds)), "search time"),
    ]


def _again(view: Overview) -> list[tuple[str, str]]:
    """Return what the front's hypervolume is by seeds that did not choose it; nothing without a front."""
    if view.again is None:
        return [("one seed", "a point: expect less")] if len(view.front) else []
    return [(f"{view.again.hypervolume:.4g} ± {view.again.std:.2g}", "measured again")]


def _duration(seconds: float) -> str:
    if seconds != seconds:
        return "–"
    hours, minutes = divmod(round(seconds) // 60, 60)
    if hours or minutes >= SHORT_MINUTES:
        return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
    return f"{minutes} min {round(seconds) % 60} s" if minutes else f"{round(seconds)} s"


def _front(view: Overview, encodings: Sequence[Encoding]) -> dict[str, Any]:
    """Return the front's charts, none where no trial has finished, and the front as a table."""
    unfinished = all(verdict == "unfinished" for verdict in view.verdicts)
    charts = [] if unfinished else front_charts(view, encodings[0])
    pairs = list(combinations((o.metric for o in view.objectives), 2)) or [("the order of trials", "the objective")]
    says = [f"Scatter chart of {x} and {y}. {_front_in_words(view)}" for x, y in pairs]
    first = ["names", *(["run"] if "run" in view.front else []), "trial"]
    about = [name for o in view.objectives for name in (o.metric, std_column(o), again_column(o))]
    objectives = [name for name in about if name in view.front]
    first += [name for name in (SEEDS_COLUMN, ON_FRONT_COLUMN, CONTRIBUTION_COLUMN) if name in view.front]
    guards = [guard for run in view.runs.values() for guard in run.space.guards]
    columns = list(dict.fromkeys([*first, *objectives, *view.parameter_names, *(guard.metric for guard in guards)]))
    rows = [] if view.front.empty else [[short(value) for value in row] for row in view.front[columns].to_numpy()]
    return {
        "charts": [Chart(f"front-{n}", chart, says[n]) for n, chart in enumerate(charts)],
        "colours": [(encoding.colour_title, encoding_legend(encoding)) for encoding in encodings],
        "legend": front_legend(view),
        "guards": sorted({str(guard) for guard in guards}),
        "columns": columns,
        "rows": [[row[0].replace("+", " + "), *row[1:]] for row in rows],
    }


def _front_in_words(view: Overview) -> str:
    counted = int(sum(view.counted))
    named = [
        f"{names} at {', '.join(f'{o.metric} {short(view.points.table[o.metric][row])}' for o in view.objectives)}"
        for row, names in named_points(view).items()
    ]
    return "; ".join([f"{len(view.front)} of {counted} {view.unit}s that count are on the front", *named]) + "."


def _growth(view: Overview) -> dict[str, Any]:
    charts = hypervolume_charts(view) if any(map(len, view.histories.values())) else []
    last = {label: float(history["hypervolume"].iloc[-1]) for label, history in view.histories.items() if len(history)}
    ends = (f"{label} ends at {short(volume)}" for label, volume in last.items())
    says = f"Line chart of the hypervolume over {{}}: {', '.join(ends)}."
    over = ("ended trials", "time", "epochs")
    drawn = [Chart(f"hypervolume-{n}", chart, says.format(over[n])) for n, chart in enumerate(charts)]
    return {"charts": drawn, "legend": run_legend(view)}


def _curves(view: Overview) -> dict[str, Any]:
    by_objective = {objective: curve_groups(view, objective) for objective in view.objectives}
    drawn = [(objective, groups) for objective, groups in by_objective.items() if groups]
    charts = [
        (
            objective.metric,
            Chart(f"curves-{number}", curve_chart(objective, groups), _curves_in_words(objective, groups)),
            curve_legend(groups),
        )
        for number, (objective, groups) in enumerate(drawn)
    ]
    notes = dict.fromkeys(line for groups in by_objective.values() for line in thinning_notes(groups))
    return {"charts": charts, "notes": list(notes)}


def _curves_in_words(objective: Objective, groups: Sequence[CurveGroup]) -> str:
    counted = ", ".join(f"{len(group.curves)} of {group.name}" for group in groups)
    return f"Line chart of {objective.metric} over epochs, {objective.better}: {counted}."


def _importance(view: Overview) -> dict[str, Any] | None:
    """Return how important the parameters are for each objective and the hypervolume; None for different spaces."""
    if not same_space(view):
        return None
    parameters, targets = importances(view)
    told = [importance for importance in targets if importance.values]
    # Where nothing can be told, it is for the same reason, which then needs no target.
    lacking = [f"{i.target}: {i.lacking}" if told else i.lacking for i in targets if i.lacking]
    return {
        "chart": Chart("importance", importance_chart(parameters, targets), _importance_in_words(parameters, told))
        if told
        else None,
        "best": ", ".join(dict.fromkeys(f"{importance.best} of {importance.points}" for importance in told)),
        "of_hypervolume": any(importance.target == HYPERVOLUME for importance in told),
        "lacking": _capital("; ".join(dict.fromkeys(lacking))) + "." if lacking else "",
    }


def _importance_in_words(parameters: Sequence[str], told: Sequence[Importance]) -> str:
    said = []
    for importance in told:
        beyond = [name for name, known in zip(parameters, importance.told, strict=True) if known]
        said.append(f"for {importance.target} {', '.join(beyond) or 'no parameter'} told from chance")
    return f"Bar chart of the importance of each parameter: {'; '.join(said)}."


def _parallel(view: Overview, encoding: Encoding) -> dict[str, Any]:
    lines = parallel_lines(view)
    if not lines.rows:
        return {"chart": None}
    fronts = lines.verdicts.count("front")
    thinned = [
        thinned_note(len(lines.rows) - fronts, lines.others, "other lines"),
        thinned_note(fronts, lines.fronts, "lines of the front"),
    ]
    width = AXIS_WIDTH_PX * len(lines.axes)
    says = f"Parallel coordinates of {', '.join(axis.title for axis in lines.axes)}; {fronts} lines are on the front."
    chart = Chart("parallel", parallel_chart(view, encoding, lines), says, width)
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
    shares = ", ".join(f"{cost.trials} {cost.title}" for cost in by_state)
    several = len(by_state) > 1  # or every bar would be whole
    says = f"Bar chart of how trials, epochs and seconds of work are shared out: trials {shares}."
    return {"chart": Chart("cost", cost_chart(by_state), says) if several else None, "rows": rows}


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
