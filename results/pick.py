"""The command line `python -m results.pick RUN`: what can be chosen, and one configuration to take home."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Literal

import click
import numpy as np

from results.command import PATH, at_most_one, console, run_command, warn
from results.exceptions import RecordError
from results.export.best import BEST_FOLDER, CHECKPOINT_FILE, TRIAL_FOLDER, export_point, train_again
from results.export.card import Chosen
from results.export.choices import (
    KNEE,
    UTOPIA,
    Bound,
    best_row,
    check_name,
    chosen_point,
    named_choices,
    run_points,
    what_of,
    within,
)
from results.front.front import eligible, front, reference_point
from results.front.knee import NEAR_STDS, knee, nearest_to_utopia
from results.front.points import SEEDS_COLUMN, Points
from results.records.objectives import LONGEST_NAME, NAME, Direction, minimised, objective_values
from results.records.run import Run, metric_names, read_run
from results.records.text import short

DEFAULT_NAME = "pick"
RULES = {"chord": (KNEE, knee), UTOPIA: (UTOPIA, nearest_to_utopia)}


@click.command("python -m results.pick")
@click.argument("run", type=PATH)
@click.option(
    "--at-most", multiple=True, metavar="METRIC=VALUE", help="bound: the metric is at most so much; repeatable"
)
@click.option(
    "--at-least", multiple=True, metavar="METRIC=VALUE", help="bound: the metric is at least so much; repeatable"
)
@click.option("--minimise", "--minimize", metavar="METRIC", help="smallest of what is within the bounds")
@click.option("--maximise", "--maximize", metavar="METRIC", help="largest of what is within the bounds")
@click.option("--knee", type=click.Choice(sorted(RULES)), help="knee of the front of what is within the bounds")
@click.option("--name", help=f"folder below RUN/{BEST_FOLDER}; default {DEFAULT_NAME}, or utopia for --knee")
def pick(**given: Any) -> int:
    """Choose a configuration of a run: the best trial within bounds, or a knee of the front.

    It is chosen among the finished trials that keep the guards (means, where a point has several seeds), printed and
    exported to RUN/best/NAME. Without a criterion: what can be chosen, and how sure each choice is.
    """
    options = SimpleNamespace(**given)
    at_most_one(minimise=options.minimise, maximise=options.maximise, knee=options.knee)
    bounds = [_bound(text, "at most") for text in options.at_most]
    bounds += [_bound(text, "at least") for text in options.at_least]
    run = read_run(options.run)
    warn(run.warnings)
    points = run_points(run)
    able = eligible(points.table, run.space.objectives, run.space.guards)
    metric = options.minimise or options.maximise
    for name in [bound.metric for bound in bounds] + ([metric] if metric else []):
        check_name(run, name)
    if metric is None and options.knee is None:
        if bounds or options.name:
            raise RecordError("bounds alone choose nothing; add --minimise METRIC, --maximise METRIC or --knee utopia")
        _offer(run, points)
        return 0
    rows = within(run, points.table, able, bounds)
    if metric is not None:
        direction: Direction = "minimise" if options.minimise else "maximise"
        row, default = best_row(run, points.table, rows, metric, direction), DEFAULT_NAME
        what = f"the {'smallest' if options.minimise else 'largest'} {metric}"
    else:
        row, default = _knee(run, points, rows, options.knee)
        what = what_of(RULES[options.knee][0])
    what += f" of the trials with {' and '.join(map(str, bounds))}" if bounds else ""
    _export(run, chosen_point(run, points, row, _name(run, options.name or default), what))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code."""
    return run_command(pick, arguments, stopped="stopped")


def _bound(text: str, kind: Literal["at most", "at least"]) -> Bound:
    metric, equals, value = text.rpartition("=")
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not equals or not metric or number != number:
        raise RecordError(f"--{kind.replace(' ', '-')} {text}: expected METRIC=VALUE, such as stitch_fvu=0.4")
    return Bound(metric.strip(), kind, number)


def _knee(run: Run, points: Points, rows: np.ndarray, rule: str) -> tuple[int, str]:
    """Return the row of a knee among some rows, and the usual name of its folder."""
    best = front(points.table.iloc[rows], run.space.objectives, ())
    values = minimised(objective_values(best, run.space.objectives), run.space.objectives)
    trial = best["trial"].iloc[RULES[rule][1](values, reference_point(run.space.objectives))]
    row = next(row for row in rows if points.table["trial"].iloc[row] == trial)
    return int(row), UTOPIA if rule == UTOPIA else DEFAULT_NAME


def _name(run: Run, name: str) -> str:
    taken = (KNEE, *(objective.name for objective in run.space.objectives))
    if not re.fullmatch(NAME, name) or len(name) > LONGEST_NAME:
        raise RecordError(
            f"--name {name}: a name has letters, digits, _, - and . only, begins with a letter or digit, and has "
            f"{LONGEST_NAME} characters at most"
        )
    if name in taken:
        raise RecordError(f"--name {name}: every rebuild writes {BEST_FOLDER}/{name} anew; choose another name")
    return name


def _export(run: Run, chosen: Chosen) -> None:
    trial = run.folder / TRIAL_FOLDER / str(chosen.point["trial"])
    if not (trial / CHECKPOINT_FILE).is_file():
        remedy = train_again(run, trial)
        raise RecordError(
            f"{trial / CHECKPOINT_FILE}: trial {trial.name} is {chosen.what}, but its checkpoint is missing; nothing "
            f"was exported{remedy + ', then pick again' if remedy else ''}"
        )
    written = export_point(run, chosen, "pick")
    _show(run, chosen)
    warn(written.warnings)
    print(f"written to {run.folder / BEST_FOLDER / chosen.name}")


def _show(run: Run, chosen: Chosen) -> None:
    """Print a point: parameters, then metrics, those that judge first."""
    from rich.table import Table

    point, several = chosen.point, len(chosen.seeds) > 1
    seeds = f", means over {len(chosen.seeds)} seeds" if several else ""
    screen = console()
    screen.print(f"trial {point['trial']}: {chosen.what}{seeds}", style="bold", soft_wrap=True)
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=several, header_style="dim")
    for title in ("", "value", *(["std"] if several else [])):
        table.add_column(title, justify="left" if not title else "right", overflow="fold")
    metrics = dict.fromkeys([*run.space.judged, *metric_names(run.trials, run.space)])
    for name in (*run.space.parameter_names, *metrics):
        if name in point and name != SEEDS_COLUMN:
            spread = chosen.seeds[name].std() if several and name in metrics else None
            table.add_row(name, short(point[name]), *([short(spread)] if several else []))
    screen.print(table)


def _offer(run: Run, points: Points) -> None:
    """Print what can be chosen, and how sure each choice is."""
    from rich.table import Table

    choices = named_choices(run, points)
    if not choices:
        raise RecordError(f"{run.folder}: no trial has finished and keeps the guards, so there is nothing to pick")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    objectives = [objective.metric for objective in run.space.objectives]
    told = points.repeated
    for title in ("choice", "trial", *objectives, *(("same", "near") if told else ()), "rule"):
        table.add_column(title, justify="left" if title in ("choice", "rule") else "right")
    for choice in choices:
        row, how = points.table.iloc[choice.row], choice.stability
        shares = [f"{share:.0%}" for share in (how.same, how.near)] if told else []
        table.add_row(choice.name, str(row["trial"]), *(short(row[m]) for m in objectives), *shares, choice.rule)
    console().print(table)
    print(
        "Were every point trained again with as many seeds: same, how often this very point would be chosen; near, "
        f"this or one within {NEAR_STDS:g} standard deviations of a seed."
        if told
        else "How sure these choices are cannot be told: no point was trained with several seeds (--replicates 3)."
    )


if __name__ == "__main__":
    sys.exit(main())
