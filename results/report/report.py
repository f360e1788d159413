"""Owns `report.html`: one file that opens anywhere, offline, with everything a reader of a run asks for.

plotly.js lies inside the file. The same records give the same bytes: nothing in it depends on the moment.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

import yaml

from results.charts.encoding import encode
from results.front.overview import Overview
from results.records.files import write_atomically
from results.records.run import metric_names
from results.report.analysis import cost_part, importance_part, others_part, parallel_part
from results.report.page import cards, page, section
from results.report.parts import curves_part, front_part, front_table_part, hypervolume_part

SHORT_MINUTES = 10  # from here on, seconds are not worth their room


def write_report(view: Overview, path: Path, warnings: Sequence[str] = (), reload_s: int | None = None) -> None:
    """Write the report.

    Args:
        view: What to report on.
        path: The HTML file to write, in one step.
        warnings: Lines to show beside the view's own.
        reload_s: Seconds after which an open page loads itself again; None for a page that stays.
    """
    encoding = encode(view)
    body = [
        cards(_counts(view)),
        "".join(f'<p class="warning">{html.escape(line)}</p>' for line in (*view.warnings, *warnings)),
        section("Front", front_part(view, encoding)),
        section("On the front", front_table_part(view)),
        section("Hypervolume", hypervolume_part(view)),
        section("Learning curves", curves_part(view)),
        section("Parameter importance", importance_part(view)),
        section("Parameters and objectives", parallel_part(view, encoding)),
        section("Trials that did not count", others_part(view)),
        section("Cost", cost_part(view)),
        section("Provenance", _provenance(view)),
    ]
    write_atomically(path, page(view.title, _subtitle(view), body, reload_s))


def _subtitle(view: Overview) -> str:
    goals = ", ".join(f"{o.direction} {o.metric}" for o in view.objectives)
    return goals if len(view.runs) == 1 else f"{goals} · runs {', '.join(view.runs)}"


def _counts(view: Overview) -> list[tuple[str, str]]:
    states = view.trials["state"].value_counts()
    counted = [(f"{states.get(state, 0):,}", state) for state in ("finished", "stopped", "failed", "interrupted")]
    seconds = sum(history["seconds"].max() for history in view.histories.values() if len(history))
    return [
        (f"{len(view.front):,}", "on the front"),
        (f"{view.hypervolume:.4g}", "hypervolume"),
        *[(count, state) for count, state in counted if state in ("finished", "failed") or count != "0"],
        (f"{int(view.trials['epochs'].fillna(0).sum()):,}", "epochs"),
        (_duration(float(seconds)), "search time"),
    ]


def _duration(seconds: float) -> str:
    if seconds != seconds:
        return "–"
    hours, minutes = divmod(round(seconds) // 60, 60)
    if hours or minutes >= SHORT_MINUTES:
        return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
    return f"{minutes} min {round(seconds) % 60} s" if minutes else f"{round(seconds)} s"


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
