"""The frame of the benchmarks' commands: shared options, one line for a mistake, what is written and shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from model.command import PATH, run_command
from model.exceptions import InputError
from search.exceptions import InputError as SearchInputError

PIPED_WIDTH = 250  # columns where the output is no terminal: enough for the widest table
POSITIVE = click.IntRange(min=1)
PROGRESS = Console(stderr=True, highlight=False, soft_wrap=True)


class BenchmarkError(InputError):
    """The benchmark cannot run as asked; the message is one line that says what to do."""


def _in_a_folder(_: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """Refuse a file that could not be written at the end of a long measurement."""
    if path and not path.absolute().parent.is_dir():
        raise BenchmarkError(f"{option.opts[0]} {path}: there is no folder {path.parent}")
    return path


JSON = click.option("--json", type=PATH, callback=_in_a_folder, metavar="FILE", help="write every figure there")


class Benchmark(click.Command):
    """A benchmark's command line; options named in `several` may be given as `--option A B`."""

    def __init__(self, *arguments: Any, several: Collection[str] = (), **settings: Any):
        super().__init__(*arguments, **settings)
        self.several = several

    def main(self, arguments: Sequence[str] | None = None) -> int:  # type: ignore[override]
        """Run it, and return its exit code: 0 done, 2 bad input, 130 stopped."""
        errors = (InputError, SearchInputError, OSError)
        return run_command(self, arguments, bad_input=errors, stopped="stopped", several=self.several)


benchmark = partial(click.command, cls=Benchmark)


def finish(result: dict[str, Any], file: Path | None, tables: Iterable[Table]) -> int:
    """Write the result, show its tables, and return the exit code."""
    if file:
        file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return show(tables)


def show(tables: Iterable[Table]) -> int:
    """Show tables, and return the exit code."""
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    for table in tables:
        console.print(table)
    return 0


def table_of(headings: Iterable[str], rows: Iterable[Iterable[str]], left: int = 1, **how: Any) -> Table:
    """Return a table whose columns are numbers, to the right, but for the first ones."""
    table = Table(**how)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number < left else "right")
    for row in rows:
        table.add_row(*row)
    return table
