"""What a search does at the command of its user, while it runs: `python -m search.control`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from results.records.text import short
from search.exceptions import one_line
from search.protocol import Study
from search.record.control import Command, ControlError, Inbox
from search.record.recorder import Recorder
from search.space.checks import check_start
from search.space.schema import MOST_TRIALS, Space
from search.tune.searcher import JournalSearcher
from search.watch.monitor import Standing

EVERY_S = 0.5  # between two looks


class Steering:
    """Does what is asked of a search that runs."""

    def __init__(
        self,
        space: Space,
        study: Study,
        searcher: JournalSearcher,
        recorder: Recorder,
        stop: Callable[[int, str], bool],
        keep: Callable[[Space], object],
    ):
        """Begin to listen at the recorder's run folder.

        Args:
            space: With the resources found out.
            study: Asked whether it bears a point.
            searcher: Gives out the trials.
            recorder: Says how the run stands.
            stop: Ends a trial under way, by its number, for a reason; returns whether there was one.
            keep: Writes the space down as it is now.
        """
        self._space, self._study = space, study
        self._searcher, self._recorder = searcher, recorder
        self._stop, self._keep = stop, keep
        self._standing = Standing(space)
        self._inbox = Inbox(recorder.folder)
        self._next = 0.0

    def look(self) -> None:
        """Do what has been asked for since the last look; called between two events of the search."""
        if time.monotonic() >= self._next:
            self._inbox.answer_all(self._do)
            self._next = time.monotonic() + EVERY_S

    def _do(self, command: Command) -> list[str]:
        done = {
            "status": self._status,
            "add": self._add,
            "trials": self._have_trials,
            "pause": self._pause,
            "continue": self._go_on,
            "stop": self._stop_trial,
        }
        if command.name not in done:
            raise ControlError(f"{command.name!r:.40}: is no command; the search may be of another version")
        lines = done[command.name](command.value)
        if command.name != "status":
            self._recorder.notice(f"from outside: {lines[0]}")
        return lines

    def _status(self, _: Any) -> list[str]:
        snapshot = self._recorder.snapshot()
        paused = ["paused: no trial is given out"] if self._searcher.paused else []
        return [self._standing.counts(snapshot), *paused, *self._standing.running(snapshot)]

    def _add(self, point: Any) -> list[str]:
        if not isinstance(point, dict):
            raise ControlError(f"expected values by name, found {point!r:.40}")
        try:
            check_start((point,), self._space.parameters)
            beside = next(parameters for _, parameters in self._space.corners())
            self._study.check(self._space.configuration(self._space.active({**beside, **point}), self._space.seed))
        except ValueError as error:
            raise ControlError(one_line(error).removeprefix("start.0.")) from error
        except (Exception, SystemExit) as error:  # a study may raise whatever it likes
            raise ControlError(f"the study raises {type(error).__name__}: {one_line(error)[:200]}") from error
        request = self._searcher.add(point)
        values = ", ".join(f"{name} {short(value)}" for name, value in request.parameters.items())
        return [f"trial {request.trial} comes next: {values}"]

    def _have_trials(self, trials: Any) -> list[str]:
        if not isinstance(trials, int) or not 1 <= trials <= MOST_TRIALS:
            raise ControlError(f"trials: expected a number from 1 to {MOST_TRIALS}, found {trials!r:.40}")
        self._searcher.have_trials(trials)
        self._recorder.trials = trials
        self._keep(self._space.model_copy(update={"budget": self._space.budget.model_copy(update={"trials": trials})}))
        return [f"{trials} trials in all"]

    def _pause(self, _: Any) -> list[str]:
        self._searcher.paused = True
        running = len(self._recorder.snapshot().running)
        return [f"paused: no trial is given out; {running} under way go on to their end"]

    def _go_on(self, _: Any) -> list[str]:
        if not self._searcher.paused:
            raise ControlError("is not paused")
        self._searcher.paused = False
        return ["goes on"]

    def _stop_trial(self, trial: Any) -> list[str]:
        if not self._stop(trial, "stopped by the user"):
            running = [result.request.trial for result in self._recorder.snapshot().running]
            if trial in running:
                raise ControlError(f"trial {trial} has no workers at the moment; try again")
            those = ", ".join(map(str, running)) or "none"
            raise ControlError(f"trial {trial!r:.40} is not under way; those that are: {those}")
        return [f"trial {trial} is stopped"]
