"""Steer a search that runs: `python -m search.control RUN`.

Exit codes: 0 done, 2 the search refuses, does not answer, or does not run.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from results.command import PATH, run_command
from results.exceptions import RecordError
from results.records.lock import is_searched
from results.records.tables import LINE
from search.exceptions import InputError
from search.record.control import Command, ControlError, give
from search.record.earlier_runs import read_points
from search.record.recorder import Snapshot
from search.record.run_folder import SPACE_FILE, RunFolder, RunFolderError
from search.space.assignments import read_assignments
from search.space.schema import Space
from search.trials import TrialResult
from search.watch.monitor import Standing
from search.watch.terminal import say


@click.group("python -m search.control", invoke_without_command=True)
@click.argument("run", type=PATH)
@click.pass_context
def control(context: click.Context, run: Path) -> int | None:
    """Say how the search of a run folder stands, or tell it what to do."""
    folder = RunFolder(run)
    if not (run / SPACE_FILE).is_file():
        raise RunFolderError(f"{run}: holds no run; expected a run folder, such as runs/tradeoff")
    context.obj = folder
    return _tell_standing(folder) if context.invoked_subcommand is None else None


@control.command()
@click.pass_obj
def status(folder: RunFolder) -> int:
    """Say how it stands; the same as no command."""
    return _tell_standing(folder)


@control.command()
@click.argument("values", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--configuration", type=PATH, metavar="CONFIG.yaml", help="such as runs/old/best/knee; KEY=VALUE overrule"
)
@click.pass_obj
def add(folder: RunFolder, values: Sequence[str], configuration: Path | None) -> int:
    """Try a point next, such as codebook_size=16; what it leaves out is sampled.

    It is one of the budget's trials.
    """
    if not values and configuration is None:
        raise ControlError("add: expected KEY=VALUE, or --configuration")
    point: dict[str, Any] = {}
    if configuration is not None:
        space, _ = folder.read_space()
        point = read_points([configuration], space, "--configuration")[0]
    return _give(folder, "add", point | read_assignments(values, "add", paths=False))


@control.command()
@click.argument("number", type=click.IntRange(min=1), metavar="N")
@click.pass_obj
def trials(folder: RunFolder, number: int) -> int:
    """Have N trials in all, instead of budget.trials."""
    return _give(folder, "trials", number)


@control.command()
@click.pass_obj
def pause(folder: RunFolder) -> int:
    """Give out no trials; those under way go on to their end."""
    return _give(folder, "pause")


@control.command("continue")
@click.pass_obj
def go_on(folder: RunFolder) -> int:
    """Give out trials again after a pause."""
    return _give(folder, "continue")


@control.command()
@click.argument("trial", type=click.IntRange(min=0), metavar="TRIAL")
@click.pass_obj
def stop(folder: RunFolder, trial: int) -> int:
    """Stop a trial that is under way, by its number; its row and curve stay."""
    return _give(folder, "stop", trial)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code."""
    return run_command(control, arguments, bad_input=(InputError, RecordError), stopped="stopped")


def _give(folder: RunFolder, name: str, value: Any = None) -> int:
    for line in give(folder.shown, Command(name, value)):
        say(line)
    return 0


def _tell_standing(folder: RunFolder) -> int:
    if is_searched(folder.path):
        return _give(folder, "status")
    space, _ = folder.read_space()
    ended: list[TrialResult] = folder.ended(space)
    rows = [result.row() for result in ended]
    replicates, lines = _beyond_budget(ended, space)
    say(Standing(space).counts(Snapshot(rows, [], 0.0, 0, replicates, lines=lines, trials=space.budget.trials)))
    to_come = len(rows) - len(replicates) - len(lines) < space.budget.trials
    say(f"no search runs here{'; `python -m search.run SPACE.yaml --resume` continues it' if to_come else ''}")
    return 0


def _beyond_budget(ended: Sequence[TrialResult], space: Space) -> tuple[frozenset[int], frozenset[int]]:
    """Return which trials are replicates and which are lines, by their numbers.

    Replicates are those beyond the budget that train a point again.
    """
    replicates, lines, points = set(), set(), []
    for request in sorted((result.request for result in ended), key=lambda request: request.trial):
        if request.trial >= space.budget.trials and request.parameters in points:
            replicates.add(request.trial)
        elif LINE in request.parameters:
            lines.add(request.trial)
        points.append(request.parameters)
    return frozenset(replicates), frozenset(lines)


if __name__ == "__main__":
    sys.exit(main())
