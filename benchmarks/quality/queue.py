"""In which order runs are done, and the processes that do them.

Owns the plan of one cell (a data set, a codebook size, a seed): ours, then the reference for as many steps at each of
its learning rates, then for as many seconds, for which the ones before give its speed, and, where asked for, longer.
And owns the processes: a few cells at a time, each run in a fresh one, all ended when the benchmark ends for whatever
reason.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.command_line import BenchmarkError
from benchmarks.quality.runs import LONGER, SECONDS, STEPS, Task

POLL_S = 0.2
Plan = Generator[Task, dict[str, Any], None]  # gives the next task, takes its record


def cell(ours: Task, reference: Path | None, rates: list[float], longer: int | None = None) -> Plan:
    """All runs of one data set, codebook size and seed.

    Args:
        ours: The run of our model.
        reference: Clone of the reference, or None for ours alone.
        rates: The reference's learning rates, each tried.
        longer: How many times our steps the reference gets once more; None leaves that out.
    """
    record = yield ours
    if reference is None:
        return
    base = replace(ours, reference=str(reference))
    step_s = []
    for rate in rates:
        done = yield replace(base, trainer=STEPS, steps=record["steps"], rate=rate)
        step_s.append(done["seconds"] / done["steps"])
    steps = max(1, round(record["seconds"] / statistics.fmean(step_s)))
    for rate in rates:
        yield replace(base, trainer=SECONDS, steps=steps, rate=rate)
    for rate in rates if longer else []:
        yield replace(base, trainer=LONGER, steps=longer * record["steps"], rate=rate)


class Finished(NamedTuple):
    """A run that is done."""

    task: Task
    record: dict[str, Any]
    folder: Path  # with what else it wrote


class Running(NamedTuple):
    """A run under way."""

    task: Task
    plan: Plan
    process: subprocess.Popen[bytes]
    folder: Path


def work_through(plans: Iterable[Plan], jobs: int, folder: Path) -> Iterator[Finished]:
    """Does all runs of all cells, `jobs` at a time; cells are begun in order.

    Args:
        plans: The cells.
        jobs: Processes at a time.
        folder: For what the processes write, a folder for each.

    Raises:
        BenchmarkError: A run failed; nothing runs any more.
    """
    waiting, active, started = iter(plans), list[Running](), 0

    def begin(plan: Plan, task: Task) -> None:
        nonlocal started
        started += 1
        active.append(_begin(task, plan, folder / f"run-{started}"))

    try:
        while True:
            while len(active) < jobs and (plan := next(waiting, None)) is not None:
                begin(plan, next(plan))
            if not active:
                return
            for running in [r for r in active if r.process.poll() is not None]:
                active.remove(running)
                finished = _collect(running)
                if (task := _advance(running.plan, finished.record)) is not None:
                    begin(running.plan, task)
                yield finished
            time.sleep(POLL_S)
    finally:
        for running in active:
            running.process.kill()
            running.process.wait()


def _advance(plan: Plan, record: dict[str, Any]) -> Task | None:
    try:
        return plan.send(record)
    except StopIteration:
        return None


def _begin(task: Task, plan: Plan, folder: Path) -> Running:
    folder.mkdir()
    task.write(folder / "task.json")
    command = [sys.executable, "-m", "benchmarks.quality.runs", str(folder / "task.json")]
    environment = os.environ | {"OMP_NUM_THREADS": str(task.threads)}
    with (folder / "stderr.txt").open("wb") as errors:
        process = subprocess.Popen(command, stdout=errors, stderr=errors, env=environment)
    return Running(task, plan, process, folder)


def _collect(running: Running) -> Finished:
    result = running.folder / "result.json"
    if running.process.returncode or not result.is_file():
        written = (running.folder / "stderr.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = written[-1] if written else "no message"
        raise BenchmarkError(f"{running.task.title}: ended with {running.process.returncode}: {last}")
    return Finished(running.task, json.loads(result.read_text(encoding="utf-8")), running.folder)
