"""Owns how the command lines of this package end: an exit code, and one line for what went wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable

from results.records.errors import RecordError

BAD_INPUT, INTERRUPTED = 2, 130
HALF_DONE = "stopped; files of an earlier time may lie beside new ones"


def run_command(
    program: str, work: Callable[[], int], bad_input: type[Exception] = RecordError, stopped: str = HALF_DONE
) -> int:
    """Do the work of a command line.

    Args:
        program: Its name, before what is said.
        work: Returns the exit code.
        bad_input: Errors of what was asked for, or of what it was asked of.
        stopped: What is said after Ctrl-C.

    Returns:
        The exit code: that of the work, 2 for input and files that cannot be used, 130 after Ctrl-C.
    """
    try:
        return work()
    except bad_input as error:
        return fail(program, " ".join(str(error).splitlines()))
    except OSError as error:
        place, why = error.filename or "a file", error.strerror or error
        return fail(
            program, f"{place}: cannot be read or written ({why}); check the folder's rights and the free space"
        )
    except KeyboardInterrupt:
        print(f"{program}: {stopped}", file=sys.stderr)
        return INTERRUPTED


def fail(program: str, message: str) -> int:
    """Say what cannot be used, and return the exit code for it."""
    print(f"{program}: {message}", file=sys.stderr)
    return BAD_INPUT
