"""Replay searches on a table of fully trained configurations: an epoch costs a look-up.

Who proposes and who stops is handed in, and where lines come from.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from benchmarks.command_line import BenchmarkError
from results.front.dominance import GrowingFront, volume
from results.records.objectives import minimised
from results.records.tables import LINE
from search.space.schema import Space


class Table(NamedTuple):
    """Every configuration of a grid with its curve."""

    names: tuple[str, ...]  # parameters
    points: dict[tuple[Any, ...], int]  # index of a configuration by the values of its parameters
    epochs: np.ndarray  # epochs that were evaluated, ascending, (evaluations,)
    metrics: dict[str, np.ndarray]  # each metric of objectives and guards, (configurations, evaluations)
    expected: dict[str, np.ndarray]  # of each at the end, the mean over seeds, (configurations,)
    seconds: np.ndarray  # training time up to each evaluation, (configurations, evaluations)

    def find(self, parameters: Mapping[str, Any]) -> int:
        """Return the configuration of a point of the grid."""
        return self.points[tuple(_plain(parameters[name]) for name in self.names)]

    def at(self, configuration: int, evaluation: int) -> dict[str, float]:
        """Return what an evaluation measured."""
        return {name: float(values[configuration, evaluation]) for name, values in self.metrics.items()}


def _plain(value: Any) -> Any:
    return round(float(value), 6) if isinstance(value, int | float) else value


def read_table(path: Path, space: Space) -> Table:
    """Read what `table.py` wrote.

    Raises:
        BenchmarkError: It is no such table: a metric of the space is missing, or the end of a training.
    """
    try:
        rows = pd.read_csv(path)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BenchmarkError(f"{path}: is no table ({reason}); make it again with benchmarks.search.table") from error
    names = tuple(space.parameters)
    missing = [name for name in (*names, "replicate", *space.metrics) if name not in rows]
    if missing:
        raise BenchmarkError(f"{path}: has no column {missing[0]}; make it again with benchmarks.search.table")
    last = rows[rows["epoch"] == rows["epoch"].max()].groupby("configuration")
    rows = rows[rows["replicate"] == 0].drop(columns="replicate")
    curves = rows.pivot(index="configuration", columns="epoch").sort_index(axis=1)
    if curves.isna().any(axis=None):
        raise BenchmarkError(
            f"{path}: not every configuration has every epoch; make it again with benchmarks.search.table"
        )
    first = rows.drop_duplicates("configuration").sort_values("configuration")
    points = {tuple(map(_plain, values)): n for n, values in enumerate(first[list(names)].itertuples(index=False))}
    metrics = {metric: curves[metric].to_numpy(dtype=float) for metric in space.metrics}
    expected = {metric: last[metric].mean().to_numpy(dtype=float) for metric in space.metrics}
    seconds = curves["seconds"]
    return Table(names, points, seconds.columns.to_numpy(), metrics, expected, seconds.to_numpy(dtype=float))


class Searcher(Protocol):
    """Who proposes and stops, one trial under several numbers at a time."""

    def propose(self, trial: int) -> Mapping[str, Any]:
        """Parameters of a new trial."""

    def goes_on(self, trial: int, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Whether a trial goes on after an evaluation that is not its last."""

    def ended(self, trial: int, epoch: int, metrics: Mapping[str, float], finished: bool) -> None:
        """A trial was trained in full, or stopped."""


class Progress(NamedTuple):
    """How the front of a search grew."""

    epochs: np.ndarray  # spent by all trials up to each finished trial, ascending, (finished,)
    hypervolume: np.ndarray  # of the front then, (finished,)
    trials: int  # begun in all, lines included
    front: int  # points on the front at the end

    def spent_until(self, hypervolume: float) -> float:
        """Return the epochs after which the front first has this hypervolume; infinite if it never has."""
        reached = np.flatnonzero(self.hypervolume >= hypervolume)
        return float(self.epochs[reached[0]]) if len(reached) else float("inf")

    def at(self, epochs: float) -> float:
        """Return the hypervolume after so many epochs; 0 before the first trial finished."""
        known = int(np.searchsorted(self.epochs, epochs, side="right"))
        return float(self.hypervolume[known - 1]) if known else 0.0


def empty_front(space: Space) -> GrowingFront:
    """Return the front of a space's objectives, without a point."""
    reference = minimised(np.array([o.reference for o in space.objectives]), space.objectives)
    return GrowingFront(len(space.objectives), partial(volume, reference=reference))


def point(metrics: Mapping[str, float], space: Space) -> np.ndarray | None:
    """Return where a fully trained trial lies, (objectives,), to be minimised; None where it breaks a guard."""
    if not all(guard.holds(np.array([metrics[guard.metric]]))[0] for guard in space.guards):
        return None
    return minimised(np.array([metrics[o.metric] for o in space.objectives]), space.objectives)


def best_hypervolume(table: Table, space: Space) -> float:
    """Return that of the front of the whole table, each configuration as its first seed has it."""
    front = empty_front(space)
    for configuration in range(len(table.points)):
        front.set(configuration, point(table.at(configuration, -1), space))
    return front.volume


def expected_hypervolume(table: Table, space: Space) -> float:
    """Return that of the front of means over seeds, guards included: what can be expected of single trainings."""
    front = empty_front(space)
    for configuration in range(len(table.points)):
        front.set(configuration, point({name: of[configuration] for name, of in table.expected.items()}, space))
    return front.volume


def replay(
    searcher: Searcher,
    table: Table,
    space: Space,
    slots: int,
    budget_epochs: int,
    line: Callable[[int, tuple[float, ...]], Mapping[str, float]] | None = None,
) -> Progress:
    """Run a search on simulated slots until its budget is spent.

    Slots work side by side, and an epoch takes as long as it took in the table; a trial that is stopped has cost the
    epochs it was trained, and its slot goes on with a new one at once. `line` returns what is measured at the end of
    a line, by its first configuration and the values it has gone through; it costs its last step.
    """
    front, spent, trials = empty_front(space), 0, 0
    curve: list[tuple[int, float]] = []
    running: list[tuple[float, int, int, int]] = []  # when, trial, configuration, evaluation
    ends: dict[int, Mapping[str, float]] = {}  # of lines that are running

    def begin(now: float) -> None:
        nonlocal trials
        parameters = searcher.propose(trials)
        if space.sweep is not None and LINE in parameters:
            values = space.line_values(parameters)
            configuration = table.find({**parameters, space.sweep.parameter: values[0]})
            assert line is not None, "a search with a sweep needs lines"
            ends[trials] = line(configuration, values)
            takes = table.seconds[configuration, -1] / table.epochs[-1] * space.sweep.epochs
        else:
            configuration = table.find(parameters)
            takes = table.seconds[configuration, 0]
        heapq.heappush(running, (now + takes, trials, configuration, 0))
        trials += 1

    def finish(now: float, trial: int, epochs: int, metrics: Mapping[str, float]) -> None:
        front.set(trial, point(metrics, space))
        curve.append((spent, front.volume))
        searcher.ended(trial, epochs, metrics, finished=True)
        begin(now)

    for _ in range(slots):
        begin(0.0)
    while spent < budget_epochs:
        now, trial, configuration, evaluation = heapq.heappop(running)
        if trial in ends:
            assert space.sweep is not None, "there are lines"
            spent += space.sweep.epochs
            finish(now, trial, space.sweep.epochs, ends.pop(trial))
            continue
        epoch = int(table.epochs[evaluation])
        spent += epoch - (int(table.epochs[evaluation - 1]) if evaluation else 0)
        metrics = table.at(configuration, evaluation)
        if evaluation == len(table.epochs) - 1:
            finish(now, trial, epoch, metrics)
        elif searcher.goes_on(trial, epoch, metrics):
            wait = table.seconds[configuration, evaluation + 1] - table.seconds[configuration, evaluation]
            heapq.heappush(running, (now + wait, trial, configuration, evaluation + 1))
        else:
            searcher.ended(trial, epoch, metrics, finished=False)
            begin(now)
    epochs, volumes = (np.array(column) for column in zip(*curve, strict=True)) if curve else (np.empty(0),) * 2
    return Progress(epochs, volumes, trials, front.size)
