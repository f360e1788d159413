"""What happens on Ctrl-C and on SIGTERM: the first stops cleanly, the second at once.

While Tune runs, a signal only sets a flag, which Tune's loop looks at between two events: so a row is never half
written. Everywhere else the signal raises KeyboardInterrupt on the spot.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODE = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Signals of one process."""

    def __init__(self, on_second_signal: Callable[[], None]):
        """Install the handlers; `on_second_signal` is called before the process ends at once, and must be quick."""
        self._on_second_signal = on_second_signal
        self._flag = threading.Event()
        self._cause: BaseException = KeyboardInterrupt()
        self._deferred = False
        self.install()

    def install(self) -> None:
        """Install the handlers; again after Ray has started, which puts one of its own in the place of SIGTERM's."""
        for number in SIGNALS:
            signal.signal(number, self._handle)

    @property
    def requested(self) -> bool:
        """Whether a signal has come."""
        return self._flag.is_set()

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Let signals wait for `raise_if_requested`."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def end_with(self, cause: BaseException) -> None:
        """Let `raise_if_requested` raise this, as if a signal had come."""
        self._cause = cause
        self._flag.set()

    def raise_if_requested(self) -> None:
        """Raise KeyboardInterrupt where a signal has come, or the cause for which it was asked."""
        if self.requested:
            raise self._cause

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._flag.is_set():
            self._on_second_signal()
            os._exit(EXIT_CODE)  # Ray's local processes share the driver's fate and die with it
        self._flag.set()
        if not self._deferred:
            raise KeyboardInterrupt
