"""The command line `python -m results RUN [RUN ...] [--out FOLDER]`."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from results.aggregate import FIGURES_FOLDER, Rebuilt, rebuild, unite
from results.charts.print.fronts import FRONTS_FOLDER
from results.command import EXIT_BAD_INPUT, EXIT_INTERRUPTED, PATH, console, fail, run_command
from results.exceptions import RecordError
from results.front.overview import ON_FRONT_COLUMN, Overview, again_column, again_text
from results.front.points import SEEDS_COLUMN, std_column
from results.records.text import printing, short

if TYPE_CHECKING:
    from rich.table import Table

DEFAULT_OUT = Path("runs/union")


@click.command("python -m results")
@click.argument("runs", nargs=-1, required=True, type=PATH, metavar="RUN...")
@click.option("--out", type=PATH, metavar="FOLDER", help=f"where the union of several runs goes ({DEFAULT_OUT})")
@click.option("--live", is_flag=True, help="draw report.html again whenever a trial ends, while a search goes on")
@click.option(
    "--by",
    multiple=True,
    metavar="COLUMN...",
    help="what fronts/ groups by: run, or any parameter, such as codebook_size; method,codebook_size for both at once "
    "(the run, and every choice and whole number that was searched)",
)
def rebuild_runs(runs: Sequence[Path], out: Path | None, live: bool, by: Sequence[str]) -> int:
    """Rebuild front, best configurations, figure and report of a run from its recorded trials.

    RUN is a run folder such as runs/tradeoff; of several runs also the union of their fronts. The exit code is 0 if
    every run has finished trials, 2 for bad input, 130 after Ctrl-C.
    """
    return (_live if live else _rebuild)(runs, out, list(by) or None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code."""
    return run_command(rebuild_runs, arguments, several=("--by",))


def _rebuild(runs: Sequence[Path], out: Path | None, by: Sequence[str] | None) -> int:
    if len(runs) == 1:
        if out is not None:
            raise RecordError("--out is for the union of several runs; leave it out, or give more runs")
        made = [rebuild(runs[0], by)]
    else:
        single, union = unite(runs, out or DEFAULT_OUT, by)
        made = [*single, union]
    for rebuilt in made:
        _show(rebuilt)
    finished = [bool((rebuilt.view.trials["state"] == "finished").any()) for rebuilt in made]
    for rebuilt, has_finished in zip(made, finished, strict=True):
        if not has_finished:
            fail(f"{rebuilt.folder}: no finished trial, so no front; its report lists what was recorded")
    return 0 if all(finished) else EXIT_BAD_INPUT


def _live(runs: Sequence[Path], out: Path | None, by: Sequence[str] | None) -> int:
    """Follow a run that goes on.

    Raises:
        RecordError: The command line or the run cannot be used.
    """
    from results.live import follow

    if len(runs) != 1 or out is not None or by is not None:
        raise RecordError("--live follows one run and takes nothing else; leave the other options out")
    try:
        follow(runs[0], lambda line: print(line, flush=True))
    except KeyboardInterrupt:
        print("stopped; the search goes on", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def _show(rebuilt: Rebuilt) -> None:
    view, screen = rebuilt.view, console()
    headline = f"{view.title}: {len(view.front)} on the front, hypervolume {view.hypervolume:.4g}"
    screen.print(f"{headline} as selected, {again_text(view)}", style="bold", soft_wrap=True)
    if len(view.front):
        table = _table(view, break_names=False)
        if screen.measure(table).maximum > screen.width:
            table = _table(view, break_names=True)
        screen.print(table)
    for warning in rebuilt.warnings:
        screen.print(f"warning: {printing(warning)}", style="yellow", soft_wrap=True)
    # One line for a folder of pictures or tables: there are several files for each.
    folders = (FIGURES_FOLDER, FRONTS_FOLDER)
    for path in dict.fromkeys(path.parent if path.parent.name in folders else path for path in rebuilt.paths):
        screen.print(f"  {path}", style="dim", soft_wrap=True)


def _table(view: Overview, *, break_names: bool) -> Table:
    """Return the front as a table; in a narrow terminal, column names break after their underscores."""
    from rich.table import Table

    columns = ["names", *(["run"] if "run" in view.front else []), "trial"]
    columns += [name for name in (SEEDS_COLUMN, ON_FRONT_COLUMN) if name in view.front]
    about = [name for o in view.objectives for name in (o.metric, std_column(o), again_column(o))]
    columns += [name for name in about if name in view.front]
    columns += [name for name in view.parameter_names if name not in columns]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in columns:
        title = re.sub("([_.])", r"\1\n", name) if break_names else name
        left = name in ("names", "run")
        table.add_column(title, justify="left" if left else "right", overflow="fold")
    for _, row in view.front[columns].iterrows():
        table.add_row(*[short(row[name]) for name in columns])
    return table


if __name__ == "__main__":
    sys.exit(main())
