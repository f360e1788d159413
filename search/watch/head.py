"""Whether the processes are there without which Ray cannot go on: its control store, and the raylet beside the driver.

Ray ends a driver that has not reached the control store for a minute, on the spot, with exit code 1 and no word of how
to go on (seen with Ray 2.60). So the search looks by itself, and ends before that.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import NamedTuple

LOOK_EVERY_S = 1.0
ANSWER_S = 5.0
GRACE_S = 20.0  # in which Tune's loop comes by, where no call of Ray's holds it


class HeadLostError(RuntimeError):
    """Ray cannot go on; the message says which of its processes has gone."""


class Vital(NamedTuple):
    """A process without which Ray cannot go on."""

    name: str
    host: str
    port: int
    patience_s: float  # seconds in which it may come back

    @property
    def answers(self) -> bool:
        """Whether something listens there; a process that is only busy does."""
        try:
            socket.create_connection((self.host, self.port), timeout=ANSWER_S).close()
        except OSError:
            return False
        return True

    @property
    def loss(self) -> str:
        """What is said when it has gone."""
        return f"Ray cannot go on: its {self.name} at {self.host}:{self.port} does not answer any more"


class HeadWatch:
    """Looks again and again, in a thread."""

    def __init__(self, on_loss: Callable[[HeadLostError], object], on_stuck: Callable[[str], object]):
        """Prepare to look.

        `on_loss` is told of a loss once; `on_stuck` where the watch has not ended `GRACE_S` after that, with what has
        been lost.
        """
        self._on_loss, self._on_stuck = on_loss, on_stuck
        self._vitals: Sequence[Vital] = ()
        self._done = threading.Event()

    @contextmanager
    def watching(self, vitals: Sequence[Vital]) -> Iterator[None]:
        """Look until the block has ended: after that, Ray's processes may be ended on purpose."""
        self._vitals = vitals
        threading.Thread(target=self._look, name="head", daemon=True).start()
        try:
            yield
        finally:
            self._done.set()

    def loss(self) -> str:
        """Look at once, and say what does not answer; "" for nothing."""
        return next((vital.loss for vital in self._vitals if not vital.answers), "")

    def _look(self) -> None:
        heard = {vital: monotonic() for vital in self._vitals}
        while not self._done.wait(LOOK_EVERY_S):
            moment = monotonic()
            heard |= {vital: moment for vital in self._vitals if vital.answers}
            lost = [vital.loss for vital, last in heard.items() if moment - last > vital.patience_s]
            if lost:
                self._on_loss(HeadLostError(lost[0]))
                if not self._done.wait(GRACE_S):
                    self._on_stuck(lost[0])
                return
