"""What a trial prints, kept beside its model: `trials/<id>/log.txt`."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from search.record.checkpoints import TRIALS_FOLDER
from search.record.run_folder import LOG_FILE

MOST_BYTES = 64 * 2**20
LEFT_OUT = "(what was printed before is left out)\n"


class Printed:
    """Lets stdout and stderr of this process go to a trial's file, whoever writes to them: Python, or C below it."""

    def __init__(self, folder: Path, trial: int):
        """Name the run folder and the trial; nothing is opened yet."""
        self._file = folder / TRIALS_FOLDER / str(trial) / LOG_FILE
        self._opened: int | None = None

    def __enter__(self) -> Printed:
        """Begin; what is there of an earlier worker stays. Where no file can be written, all goes where it went."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._opened = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError:  # the trial will meet the same, and its reason is told
            return self
        _flush()
        self._saved = os.dup(1), os.dup(2)
        self._redirect(self._opened, self._opened)
        return self

    def bound(self) -> None:
        """Leave out what there is where it has become too much; outside of the block nothing happens."""
        with suppress(OSError):  # of a full disk, which the trial itself meets as well
            if self._opened is not None and os.fstat(self._opened).st_size > MOST_BYTES:
                os.ftruncate(self._opened, 0)
                os.write(self._opened, LEFT_OUT.encode())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put stdout and stderr back; a file in which nothing is goes."""
        if self._opened is None:
            return
        _flush()
        self._redirect(*self._saved)
        opened, self._opened = self._opened, None
        with suppress(OSError):
            if not os.fstat(opened).st_size:
                self._file.unlink(missing_ok=True)
        for descriptor in (opened, *self._saved):
            os.close(descriptor)

    @staticmethod
    def _redirect(out: int, err: int) -> None:
        os.dup2(out, 1)
        os.dup2(err, 2)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # of a full disk, and of a stream that the trial has closed
            stream.flush()
