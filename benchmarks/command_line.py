"""What the benchmarks' command lines share: one line for a mistake, and what counts as a number."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table

PIPED_WIDTH = 130  # a table that is piped into a file need not be folded to a terminal's width


class BenchmarkError(ValueError):
    """The benchmark cannot run as asked; the message is one line that says what to do."""


class OneLineParser(argparse.ArgumentParser):
    """A parser whose complaints are one line, as every other mistake is."""

    def error(self, message: str) -> NoReturn:
        raise BenchmarkError(f"{message}; see --help")


def positive(text: str) -> int:
    """A whole number of at least 1, as an argument's type."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def check_json(path: Path | None) -> None:
    """Refuses a `--json FILE` that could not be written at the end of a long measurement.

    Raises:
        BenchmarkError: Its folder does not exist.
    """
    if path and not path.absolute().parent.is_dir():
        raise BenchmarkError(f"--json {path}: there is no folder {path.parent}")


def run_benchmark(
    name: str,
    parse: Callable[[], argparse.Namespace],
    run: Callable[[argparse.Namespace, Console], dict[str, Any]],
    tables: Callable[[dict[str, Any]], Iterable[Table]],
) -> int:
    """Measures, writes `--json` and shows the tables.

    Args:
        name: Of the script, for its complaints.
        parse: Reads the command line; the options have `json`.
        run: Measures; progress goes to the console that it is given.
        tables: What to show of the result.

    Returns:
        The exit code: 0 done, 2 bad input, 130 stopped.
    """
    try:
        options = parse()
        result = run(options, Console(stderr=True))
        if options.json:
            options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    except (BenchmarkError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    for table in tables(result):
        console.print(table)
    return 0
