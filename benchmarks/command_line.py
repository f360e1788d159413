"""What the benchmarks' command lines share: one line for a mistake, and what counts as a number."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NoReturn

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
