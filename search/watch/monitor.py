"""What a person sees while a search runs: counts, the front so far, its hypervolume, the time left.

On a terminal that is a live view, elsewhere a plain line now and then. The monitor reads the recorder's snapshots in a
thread of its own and computes nothing that is kept.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TextIO

from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from results.command import console
from results.front.front import FrontSummary, summarise
from results.front.points import SEEDS_COLUMN, std_column
from results.records.text import short
from search.policy.replication import foreseen_replicates
from search.record.recorder import Recorder, Snapshot
from search.space.schema import Space
from search.trials import now, seconds_between

LIVE_INTERVAL_S = 0.5
PLAIN_INTERVAL_S = 10.0
MOST_FRONT_ROWS = 12


class FrontSoFar:
    """The front of a run that goes on, worked out anew only when a trial has ended.

    Attributes:
        summary: Of the front, as of the last look.
    """

    def __init__(self, space: Space):
        self._space = space
        self._rows = 0
        self.summary = FrontSummary(summarise([], space.objectives, space.guards).front, 0.0)

    def update(self, snapshot: Snapshot) -> bool:
        """Take a look, and say whether trials have ended since the last one and any has finished."""
        if len(snapshot.rows) == self._rows or not any(row["state"] == "finished" for row in snapshot.rows):
            return False
        self._rows = len(snapshot.rows)
        space = self._space
        self.summary = summarise(snapshot.rows, space.objectives, space.guards, space.columns)
        return True


class Standing:
    """How a run stands, in words."""

    def __init__(self, space: Space):
        self._space = space
        self._front = FrontSoFar(space)
        self._foreseen = 0

    @property
    def summary(self) -> FrontSummary:
        """Of the front, as of the last counts."""
        return self._front.summary

    def running(self, snapshot: Snapshot) -> list[str]:
        """Return a line on each trial under way, by number."""
        lines = []
        for result in sorted(snapshot.running, key=lambda result: result.request.trial):
            parameters = ", ".join(f"{name} {short(value)}" for name, value in result.request.parameters.items())
            waiting = not result.started and not snapshot.ended_now
            whole = self._space.epochs_of(result.request.parameters)
            epochs = "workers are starting" if waiting else f"epoch {result.epochs} of {whole}"
            lines.append(f"  trial {result.request.trial}: {epochs}, {parameters}")
        return lines

    def counts(self, snapshot: Snapshot) -> str:
        """Return what has ended, the front so far and the time left, as one line."""
        if self._front.update(snapshot):
            self._foreseen = foreseen_replicates(snapshot.rows, self._space)
        summary = self._front.summary
        states = Counter(str(row["state"]) for row in snapshot.rows)
        ended = {int(str(row["trial"])) for row in snapshot.rows if row["state"] != "interrupted"}
        replicates, lines = len(ended & snapshot.replicates), len(ended & snapshot.lines)
        text = f"{len(ended) - replicates - lines} of {snapshot.trials} trials ended"
        text += f", {lines} line{'s' if lines > 1 else ''}" if lines else ""
        text += f", {replicates} of {snapshot.expected} replicates" if snapshot.expected else ""
        for state in ("failed", "stopped", "interrupted"):
            text += f", {states[state]} {state}" if states[state] else ""
        text += f", {len(snapshot.running)} running" if snapshot.running else ""
        if states["finished"]:
            text += f" | front {len(summary.front)}, hypervolume {summary.hypervolume:.4f}"
        left = time_left_s(snapshot, self._space, self._foreseen)
        return text + (f" | about {duration(left)} left" if left else "")


class Monitor:
    """Shows how a run stands, from entering to leaving it."""

    def __init__(self, space: Space, recorder: Recorder, terminal: TextIO):
        self._space = space
        self._recorder = recorder
        self._console = console(terminal)
        self._standing = Standing(space)
        self._said = (-1, False)
        self._noticed = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._show, name="monitor", daemon=True)

    def say(self, text: str) -> None:
        """Print one line."""
        self._console.print(text)

    def __enter__(self) -> Monitor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _show(self) -> None:
        if not self._console.is_terminal:
            while not self._done.wait(PLAIN_INTERVAL_S):
                self._say_progress()
            self._say_progress()
            return
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            while not self._done.wait(LIVE_INTERVAL_S):
                snapshot = self._recorder.snapshot()
                self._say_notices(snapshot)  # above the live view
                live.update(self._view(snapshot), refresh=True)
            self._say_notices(self._recorder.snapshot())

    def _say_progress(self) -> None:
        snapshot = self._recorder.snapshot()
        self._say_notices(snapshot)
        known = time_left_s(snapshot, self._space) is not None
        if (len(snapshot.rows), known) != self._said:
            self._said = len(snapshot.rows), known
            self.say(self._standing.counts(snapshot))

    def _say_notices(self, snapshot: Snapshot) -> None:
        for text in snapshot.notices[self._noticed :]:
            self.say(text)
        self._noticed = len(snapshot.notices)

    def _view(self, snapshot: Snapshot) -> RenderableType:
        parts: list[RenderableType] = [Text(self._standing.counts(snapshot))]
        parts += [Text(line, style="dim") for line in self._standing.running(snapshot)]
        if len(self._standing.summary.front):
            parts.append(front_table(self._standing.summary, self._space, "front so far"))
        return Group(*parts)


def front_table(summary: FrontSummary, space: Space, title: str) -> Table:
    """Return a front as a table for the terminal; of a long one, the first rows."""
    table = Table(title=title, title_justify="left", box=None)
    metrics = [name for o in space.objectives for name in (o.metric, std_column(o)) if name in summary.front]
    seeds = [SEEDS_COLUMN] if SEEDS_COLUMN in summary.front else []
    columns = ("trial", "names", *seeds, *metrics, *space.columns)
    for heading in columns:
        table.add_column(heading, overflow="fold")
    for row in summary.front.head(MOST_FRONT_ROWS).to_dict("records"):
        table.add_row(*(short(row.get(name, "")) for name in columns))
    return table


def time_left_s(snapshot: Snapshot, space: Space, foreseen: int = 0) -> float | None:
    """Estimate the seconds until the last trial ends; None while nothing is known.

    The pace is that of this session, slots and start of the groups included; before a trial has ended, that of the
    epochs which are trained. The wall clock may end it sooner. `foreseen` further replicates may come, before their
    number is known.
    """
    replicates = snapshot.expected or foreseen + len(snapshot.replicates)
    missing = snapshot.trials + replicates + len(snapshot.lines) - len(snapshot.rows)
    if snapshot.ended_now:
        # As many lines will go on from each further trial as have done so.
        others = max(1, len(snapshot.rows) - len(snapshot.lines))
        left = missing * snapshot.seconds / snapshot.ended_now * len(snapshot.rows) / others
    else:
        epochs = sum(result.epochs for result in snapshot.running)
        if not epochs:
            return None
        moment = now()
        begun = [result for result in snapshot.running if result.epochs]
        epoch_s = sum(seconds_between(result.first_step, moment) for result in begun) / epochs
        left = (missing * space.budget.epochs - epochs) * epoch_s / space.resources.planned.slots
    if space.budget.wall_clock_s is not None:
        left = min(left, max(0.0, space.budget.wall_clock_s - snapshot.seconds))
    return left


def duration(seconds: float) -> str:
    """Return seconds as a person says them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
