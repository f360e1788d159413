"""What the terminal gets: nothing but what the search says; all other output goes to the log.

Ray's and Tune's output comes from C++ and from other libraries as well, so the file
descriptors themselves are moved.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from results.command import to_nowhere

log = logging.getLogger(__name__)

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class Terminal(io.TextIOWrapper):
    """A terminal that may go away, as that of `... | head` does: then what is said is lost, and nothing else."""

    def __init__(self, descriptor: int):
        super().__init__(os.fdopen(descriptor, "wb"), encoding="utf-8", errors="backslashreplace", line_buffering=True)

    def write(self, text: str) -> int:
        """Write, where there is somebody to read."""
        try:
            return super().write(text)
        except OSError as error:
            self._lose(error)
        return len(text)

    def flush(self) -> None:
        """Do the same with what is waiting."""
        try:
            super().flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        log.warning("the terminal has gone away (%s); the search goes on", error.strerror)
        to_nowhere(self.fileno())


def say(text: str) -> None:
    """Print a line at once, before or after `output_to_log`."""
    try:
        print(text, flush=True)
    except OSError:
        to_nowhere(1)


@contextmanager
def output_to_log(log_file: Path) -> Iterator[TextIO]:
    """Append stdout, stderr and logging to a file; yield the terminal, or whatever stdout was."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    logging.basicConfig(level=logging.INFO, format=FORMAT, stream=sys.stderr, force=True)
    terminal = Terminal(os.dup(saved[0]))
    try:
        yield terminal
    finally:
        terminal.close()
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        os.close(saved[0])
        os.close(saved[1])
