"""The frame of every command line: options by click, one line for a mistake, and an exit code for every end."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from results.exceptions import RecordError
from results.records.text import printing

if TYPE_CHECKING:
    from rich.console import Console

EXIT_PIPE, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130
PIPE_WIDTH = 160  # of tables that nobody sees on a terminal
HALF_DONE = "stopped; files of an earlier time may lie beside new ones"
PATH = click.Path(path_type=Path)


def run_command(
    command: click.Command,
    arguments: Sequence[str] | None,
    *,
    bad_input: type[Exception] | tuple[type[Exception], ...] = RecordError,
    stopped: str = HALF_DONE,
    several: Collection[str] = (),
) -> int:
    """Run a command line, and return its exit code.

    Args:
        command: Its function returns the exit code.
        arguments: Without the program's name; None takes the process's own.
        bad_input: Errors of what was asked for, or of what it was asked of.
        stopped: What is said after Ctrl-C.
        several: Options that may be given as `--option A B`, for `--option A --option B`.

    Returns:
        The exit code: that of the function, 2 for input that cannot be used, 130 after Ctrl-C.
    """
    given = sys.argv[1:] if arguments is None else arguments
    _open_streams()
    try:
        with command.make_context(command.name, list(_spread(given, several)), max_content_width=100) as context:
            code = int(command.invoke(context))
        sys.stdout.flush()
        return code
    except click.exceptions.Exit as end:  # after --help
        return end.exit_code
    except click.UsageError as error:
        return fail(f"{error.format_message().rstrip('.')} (see --help)")
    except bad_input as error:
        return fail(error)
    except BrokenPipeError:  # whoever read the output, such as `head`, has gone
        to_nowhere(1)
        return EXIT_PIPE
    except OSError as error:
        place, why = error.filename or "a file", error.strerror or error
        return fail(f"{place}: cannot be read or written ({why}); check the folder's rights and the free space")
    except KeyboardInterrupt:
        print(stopped, file=sys.stderr)
        return EXIT_INTERRUPTED


def to_nowhere(descriptor: int) -> None:
    """Let what is written to a descriptor, which nobody reads any more, be lost without an error."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, descriptor)
    if nowhere != descriptor:
        os.close(nowhere)


def _open_streams() -> None:
    """Give a process that was started without output, as by `>&-`, one that is lost."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            to_nowhere(descriptor)
            setattr(sys, name, os.fdopen(descriptor, "w", closefd=False))


def _spread(arguments: Iterable[str], several: Collection[str]) -> Iterator[str]:
    flag = ""
    for text in arguments:
        if text.startswith("-"):
            flag = text if text in several else ""
        if not flag:
            yield text
        elif text != flag:
            yield from (flag, text)


def at_most_one(**options: object) -> None:
    """Refuse options that exclude one another.

    Raises:
        click.UsageError: More than one of them was given.
    """
    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value is not None]
    if len(given) > 1:
        raise click.UsageError(f"{given[1]} cannot be given together with {given[0]}")


def fail(error: object) -> int:
    """Say in one line what went wrong, and return the exit code."""
    print(f"error: {printing(' '.join(str(error).splitlines()))}", file=sys.stderr)
    return EXIT_BAD_INPUT


def warn(lines: Iterable[str]) -> None:
    """Say what was read or written with a loss, a line each."""
    for line in lines:
        print(f"warning: {printing(line)}", file=sys.stderr)


def console(stream: TextIO | None = None) -> Console:
    """Return a console on a stream, None for the output, that prints each text as it is: `[red]` is no colour.

    Whoever prints makes no other console; a file or a pipe gets lines as long as they need to be.
    """
    from rich.console import Console

    stream = stream or sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(file=stream, width=width, markup=False, emoji=False, highlight=False)
