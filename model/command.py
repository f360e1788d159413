"""The frame of every command line: options by click, one line for a mistake, and an exit code for every end."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 160  # of tables that nobody sees on a terminal
EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130
Errors = type[Exception] | tuple[type[Exception], ...]
PATH = click.Path(path_type=Path)


class NumberRange(click.FloatRange):
    """A number within bounds; NaN, which compares with nothing, is in no range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        number = super().convert(value, param, ctx)
        return number if number == number else self.fail(f"{value} is no number", param, ctx)


def run_command(
    command: click.Command,
    arguments: Sequence[str] | None,
    *,
    bad_input: Errors = ValueError,
    failed: Errors = (),
    stopped: str = "stopped; nothing was written",
    several: Collection[str] = (),
) -> int:
    """Run a command line, and return its exit code.

    Args:
        command: Its function returns the exit code.
        arguments: Without the program's name; None takes the process's own.
        bad_input: Errors of the user's input.
        failed: Errors of anything else that is expected; asked after those of the input.
        stopped: What is said after Ctrl-C.
        several: Options that may be given as `--option A B`, for `--option A --option B`.

    Returns:
        The exit code: that of the function, 1 where it failed, 2 for input that cannot be used, 130 after Ctrl-C.
    """
    given = sys.argv[1:] if arguments is None else arguments
    try:
        with command.make_context(command.name, list(_spread(given, several)), max_content_width=100) as context:
            code = int(command.invoke(context))
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except click.exceptions.Exit as end:  # after --help
        return end.exit_code
    except click.UsageError as error:
        return fail(f"{error.format_message().rstrip('.')} (see --help)")
    except bad_input as error:
        return fail(error)
    except BrokenPipeError:  # whoever read the output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return EXIT_FAILED
    except failed as error:
        return fail(error, EXIT_FAILED)
    except KeyboardInterrupt:
        print(stopped, file=sys.stderr)
        return EXIT_INTERRUPTED


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


def fail(error: object, code: int = EXIT_BAD_INPUT) -> int:
    """Say in one line what went wrong, and return the exit code."""
    print(f"error: {' '.join(str(error).splitlines())}", file=sys.stderr)
    return code


def console(stream: TextIO | None = None, least_width: int = 0) -> Console:
    """Return a console on a stream, None for the output, that prints each text as it is: `[red]` is no colour.

    Whoever prints makes no other console. Lines are `least_width` characters long at least, however narrow the terminal
    is, and those of a file or a pipe as long as they need to be.
    """
    from rich.console import Console

    stream = stream or sys.stdout
    found = Console(file=stream, markup=False, emoji=False, highlight=False)
    if not stream.isatty():
        found.width = PIPE_WIDTH
    found.width = max(found.width, least_width)
    return found
