"""How the command lines of this package end: an exit code, and one line for what went wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable

EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130
Errors = type[Exception] | tuple[type[Exception], ...]


def run_command(
    work: Callable[[], int],
    bad_input: Errors = ValueError,
    failed: Errors = (),
    stopped: str = "stopped; nothing was written",
) -> int:
    """Do the work of a command line.

    Args:
        work: Returns the exit code.
        bad_input: Errors of the user's input.
        failed: Errors of anything else that is expected; asked after those of the input.
        stopped: What is said after Ctrl-C.

    Returns:
        The exit code: that of the work, 1 where it failed, 2 for input that cannot be used, 130 after Ctrl-C.
    """
    try:
        return work()
    except bad_input as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except failed as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print(stopped, file=sys.stderr)
        return EXIT_INTERRUPTED
