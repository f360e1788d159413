"""What a search costs beyond the training itself: ours, Ray's documented nesting, and Optuna alone.

    python -m benchmarks.search.overhead                              # 24 trials of 1 s and of 10 s on 2 slots
    python -m benchmarks.search.overhead --seconds 1 --ways ours optuna --rounds 3

A trial is ten pauses, with a report after each. The ways take turns, each in a process of its own: `ours`, this search;
`nested`, a run of Ray Train inside each trial of Tune, with Optuna's searcher, as Ray's guide shows it; `tuned`, the
same polled every 0.1 s instead of 2 s and without the preemption watcher; `optuna`, threads in one process. Overhead is
the time of the slots that no loop fills, per trial, from when all slots have begun until the first runs out of trials;
the wait before the first loop is given beside it. Exit codes: 0 done, 2 bad input, 130 stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.command_line import BenchmarkError, OneLineParser, check_json, positive, run_benchmark
from benchmarks.machine import machine

WAYS = ("ours", "nested", "tuned", "optuna")
TUNED = {"RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.1", "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0"}


class Cost(NamedTuple):
    """What one search took.

    Attributes:
        first_s: Until the first loop began.
        overhead_s: Time of the slots that no loop fills, per trial.
        utilisation: Share of the slots' time that loops fill.
        whole_s: Until the last loop ended.
    """

    first_s: float
    overhead_s: float
    utilisation: float
    whole_s: float


def cost(started: float, loops: list[tuple[float, float]], slots: int) -> Cost:
    """Counts what loops leave of the time of some slots, while there is work for all of them.

    Args:
        started: When the process began to search, in seconds.
        loops: When each trial's loop (began, ended).
        slots: How many at a time.
    """
    begins, ends = sorted(began for began, _ in loops), sorted(ended for _, ended in loops)
    since, until = begins[slots - 1], ends[-slots]  # all slots have begun, none has run out of trials
    filled = sum(max(0.0, min(ended, until) - max(began, since)) for began, ended in loops)
    available, ended_within = slots * (until - since), sum(since < end <= until for end in ends)
    overhead = (available - filled) / max(1, ended_within)
    return Cost(begins[0] - started, overhead, filled / available, ends[-1] - started)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line.

    Raises:
        BenchmarkError: An argument that cannot be used.
    """
    parser = OneLineParser(description="Seconds per trial beyond its training.", allow_abbrev=False)
    parser.add_argument("--trials", type=positive, default=24, metavar="N")
    parser.add_argument("--slots", type=positive, default=2, metavar="N")
    parser.add_argument("--seconds", type=positive, nargs="+", default=[1, 10], metavar="S", help="of a trial's loop")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--rounds", type=positive, default=1, metavar="N", help="each way so often, in turns")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes every figure there")
    options = parser.parse_args(arguments)
    check_json(options.json)
    return options


def run_once(way: str, trials: int, slots: int, seconds: float) -> Cost:
    """Runs one search in a process of its own.

    Raises:
        BenchmarkError: It failed, or a trial is missing.
    """
    command = [
        sys.executable,
        "-m",
        "benchmarks.search.overhead_runs",
        way,
        *map(str, (trials, slots, seconds)),
    ]
    environment = {**os.environ, **(TUNED if way == "tuned" else {})}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"{way} failed: {(done.stderr.strip().splitlines() or ['no output'])[-1]}")
    result = json.loads(done.stdout.strip().splitlines()[-1])
    if len(result["loops"]) != trials:
        raise BenchmarkError(f"{way}: {len(result['loops'])} of {trials} trials ended")
    return cost(result["started"], [tuple(loop) for loop in result["loops"]], slots)


def measure(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Runs every way at every length, in turns."""
    found: dict[str, list[dict[str, float]]] = {}
    for seconds in options.seconds:
        for round_ in range(options.rounds):
            for way in options.ways:
                one = run_once(way, options.trials, options.slots, seconds)
                found.setdefault(f"{seconds} s, {way}", []).append(one._asdict())
                console.print(
                    f"{seconds} s, round {round_ + 1}, {way}: {one.overhead_s:.3f} s per trial", highlight=False
                )
    sizes = {"trials": options.trials, "slots": options.slots, "rounds": options.rounds}
    versions = {name: metadata.version(name) for name in ("ray", "optuna")}
    return {"machine": machine(torch.device("cpu")), "versions": versions, **sizes, "costs": found}


def tables(result: dict[str, Any]) -> list[Table]:
    """Medians over the rounds."""
    table = Table(title=f"{result['trials']} trials on {result['slots']} slots, medians of {result['rounds']}")
    for heading in ("trial, way", "overhead per trial, s", "slots in use", "first loop after, s", "whole search, s"):
        table.add_column(heading, justify="left" if heading == "trial, way" else "right")
    for name, rounds in result["costs"].items():
        middle = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        table.add_row(
            name,
            f"{middle['overhead_s']:.3f}",
            f"{middle['utilisation']:.1%}",
            f"{middle['first_s']:.1f}",
            f"{middle['whole_s']:.1f}",
        )
    return [table]


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line."""
    return run_benchmark("overhead.py", lambda: parse(arguments), measure, tables)


if __name__ == "__main__":
    sys.exit(main())
