"""What a search costs beyond the training itself: ours, Ray's documented nesting, and Optuna alone.

    python -m benchmarks.search.overhead                              # 24 trials of 1 s and of 10 s on 2 slots
    python -m benchmarks.search.overhead --seconds 1 --ways ours optuna --rounds 3

A trial is ten pauses, with a report after each. The ways take turns, each in a process of its own: `ours`, this search;
`nested`, a run of Ray Train inside each trial of Tune, with Optuna's searcher, as Ray's guide shows it; `tuned`, the
same polled every 0.1 s instead of 2 s and without the preemption watcher; `optuna`, threads in one process. Overhead is
the time of the slots that no loop fills, per trial, from when all slots have begun until the first runs out of trials;
the wait before the first loop is given beside it.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
from types import SimpleNamespace
from typing import Any, NamedTuple

import click
from rich.table import Table

from benchmarks.command_line import JSON, POSITIVE, PROGRESS, BenchmarkError, benchmark, finish, table_of
from benchmarks.machine import machine, versions

WAYS = ("ours", "nested", "tuned", "optuna")
TUNED = {"RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.1", "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0"}


class Cost(NamedTuple):
    """What one search took."""

    first_s: float  # until the first loop began
    overhead_s: float  # time of the slots that no loop fills, per trial
    utilisation: float  # share of the slots' time that loops fill
    whole_s: float  # until the last loop ended


def cost(started: float, loops: list[tuple[float, float]], slots: int) -> Cost:
    """Count what the loops of trials, (began, ended), leave of the time of some slots while all of them have work.

    Moments are in seconds; the process began to search at `started`.
    """
    begins, ends = sorted(began for began, _ in loops), sorted(ended for _, ended in loops)
    since, until = begins[slots - 1], ends[-slots]  # all slots have begun, none has run out of trials
    filled = sum(max(0.0, min(ended, until) - max(began, since)) for began, ended in loops)
    available, ended_within = slots * (until - since), sum(since < end <= until for end in ends)
    overhead = (available - filled) / max(1, ended_within)
    return Cost(begins[0] - started, overhead, filled / available, ends[-1] - started)


@benchmark("python -m benchmarks.search.overhead", several=("--seconds", "--ways"))
@click.option("--trials", type=POSITIVE, default=24, metavar="N")
@click.option("--slots", type=POSITIVE, default=2, metavar="N")
@click.option("--seconds", type=POSITIVE, multiple=True, default=[1, 10], metavar="S ...", help="of a trial's loop")
@click.option("--ways", type=click.Choice(WAYS), multiple=True, default=WAYS)
@click.option("--rounds", type=POSITIVE, default=1, metavar="N", help="each way so often, in turns")
@JSON
def main(**given: Any) -> int:
    """Measure the seconds per trial beyond its training."""
    options = SimpleNamespace(**given)
    found: dict[str, list[dict[str, float]]] = {}
    for seconds, round_, way in itertools.product(options.seconds, range(options.rounds), options.ways):
        one = run_once(way, options.trials, options.slots, seconds)
        found.setdefault(f"{seconds} s, {way}", []).append(one._asdict())
        PROGRESS.print(f"{seconds} s, round {round_ + 1}, {way}: {one.overhead_s:.3f} s per trial")
    sizes = {"trials": options.trials, "slots": options.slots, "rounds": options.rounds}
    result = {"machine": machine(), "versions": versions("ray", "optuna"), **sizes, "costs": found}
    return finish(result, options.json, [table(result)])


def run_once(way: str, trials: int, slots: int, seconds: float) -> Cost:
    """Run one search in a process of its own.

    Raises:
        BenchmarkError: It failed, or a trial is missing.
    """
    command = [sys.executable, "-m", "benchmarks.search.overhead_runs", way, *map(str, (trials, slots, seconds))]
    environment = {**os.environ, **(TUNED if way == "tuned" else {})}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"{way} failed: {(done.stderr.strip().splitlines() or ['no output'])[-1]}")
    result = json.loads(done.stdout.strip().splitlines()[-1])
    if len(result["loops"]) != trials:
        raise BenchmarkError(f"{way}: {len(result['loops'])} of {trials} trials ended")
    return cost(result["started"], [tuple(loop) for loop in result["loops"]], slots)


def table(result: dict[str, Any]) -> Table:
    """Return the medians over the rounds."""
    rows = []
    for name, rounds in result["costs"].items():
        m = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        waits = (f"{m[key]:.1f}" for key in ("first_s", "whole_s"))
        rows.append([name, f"{m['overhead_s']:.3f}", f"{m['utilisation']:.1%}", *waits])
    headings = ("trial, way", "overhead per trial, s", "slots in use", "first loop after, s", "whole search, s")
    title = f"{result['trials']} trials on {result['slots']} slots, medians of {result['rounds']}"
    return table_of(headings, rows, title=title)


if __name__ == "__main__":
    sys.exit(main())
