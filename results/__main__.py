"""Owns the command line `python -m results RUN [RUN ...] [--out FOLDER]`."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from results.aggregate import FIGURES_FOLDER, Rebuilt, rebuild, unite
from results.charts.print.fronts import FRONTS_FOLDER
from results.command import BAD_INPUT, fail, run_command
from results.front.overview import Overview
from results.front.points import SEEDS_COLUMN, std_column
from results.front.seeds import PROBABILITY_COLUMN
from results.records.errors import RecordError
from results.records.text import short

if TYPE_CHECKING:
    from rich.table import Table

DEFAULT_OUT = Path("runs/union")
PROGRAM = "results"
PIPE_WIDTH = 160


def main(arguments: Sequence[str] | None = None) -> int:
    """Rebuild runs and print their fronts.

    Args:
        arguments: Command line without the program's name; None takes the process's own.

    Returns:
        0 if every run given has finished trials and was rebuilt, 2 for bad input, 130 after Ctrl-C.
    """
    parsed = _parser().parse_args(arguments)
    if parsed.live:
        return run_command(PROGRAM, lambda: _live(parsed), stopped="stopped; the search goes on")
    return run_command(PROGRAM, lambda: _rebuild(parsed))


def _rebuild(parsed: argparse.Namespace) -> int:
    if len(parsed.runs) == 1:
        if parsed.out is not None:
            raise RecordError("--out is for the union of several runs; leave it out, or give more runs")
        made = [rebuild(parsed.runs[0], parsed.by)]
    else:
        single, union = unite(parsed.runs, parsed.out or DEFAULT_OUT, parsed.by)
        made = [*single, union]
    for rebuilt in made:
        _show(rebuilt)
    finished = [bool((rebuilt.view.trials["state"] == "finished").any()) for rebuilt in made]
    for rebuilt, has_finished in zip(made, finished, strict=True):
        if not has_finished:
            fail(PROGRAM, f"{rebuilt.folder}: no finished trial, so no front; its report lists what was recorded")
    return 0 if all(finished) else BAD_INPUT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m results",
        description="Rebuild front, best configurations, figure and report of a run from its recorded trials; "
        "of several runs also the union of their fronts.",
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folder, such as runs/tradeoff")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help=f"where the union of several runs goes ({DEFAULT_OUT})"
    )
    parser.add_argument(
        "--live", action="store_true", help="draw report.html again whenever a trial ends, while a search goes on"
    )
    parser.add_argument(
        "--by",
        nargs="+",
        action="extend",
        metavar="COLUMN",
        help="what fronts/ groups by: run, or any parameter, such as codebook_size; method,codebook_size for both at "
        "once (the run, and every choice and whole number that was searched)",
    )
    return parser


def _live(parsed: argparse.Namespace) -> int:
    """Follow a run that goes on.

    Raises:
        RecordError: The command line or the run cannot be used.
    """
    from results.live import follow

    if len(parsed.runs) != 1 or parsed.out is not None or parsed.by is not None:
        raise RecordError("--live follows one run and takes nothing else; leave the other options out")
    follow(parsed.runs[0], lambda line: print(line, flush=True))
    return 0


def _show(rebuilt: Rebuilt) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    view = rebuilt.view
    headline = f"{view.title}: {len(view.front)} on the front, hypervolume {view.hypervolume:.4g}"
    console.print(Text(headline, style="bold"), soft_wrap=True)
    if len(view.front):
        table = _table(view, break_names=False)
        if console.measure(table).maximum > console.width:
            table = _table(view, break_names=True)
        console.print(table)
    for warning in rebuilt.warnings:
        console.print(Text(f"warning: {warning}", style="yellow"), soft_wrap=True)
    # One line for a folder of pictures or tables: there are several files for each.
    folders = (FIGURES_FOLDER, FRONTS_FOLDER)
    for path in dict.fromkeys(path.parent if path.parent.name in folders else path for path in rebuilt.paths):
        console.print(Text(f"  {path}", style="dim"), soft_wrap=True)


def _table(view: Overview, *, break_names: bool) -> Table:
    """Return the front as a table; in a narrow terminal, column names break after their underscores."""
    from rich.table import Table
    from rich.text import Text

    columns = ["names", *(["run"] if "run" in view.front else []), "trial"]
    columns += [name for name in (SEEDS_COLUMN, PROBABILITY_COLUMN) if name in view.front]
    columns += [name for o in view.objectives for name in (o.metric, std_column(o)) if name in view.front]
    columns += [name for name in view.parameter_names if name not in columns]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in columns:
        title = re.sub("([_.])", r"\1\n", name) if break_names else name
        left = name in ("names", "run")
        table.add_column(Text(title), justify="left" if left else "right", overflow="fold")
    for _, row in view.front[columns].iterrows():
        table.add_row(*[Text(short(row[name])) for name in columns])
    return table


if __name__ == "__main__":
    sys.exit(main())
