"""One training run and its figures, the order of runs, and the processes that do them, each run in a fresh one.

Time is the process's CPU time of training alone (not of loading, evaluation or pictures): on a shared machine others
decide over the wall clock. `python -m benchmarks.quality` starts a process for each task, which lies in a file as JSON:

    python -m benchmarks.quality.runs TASK.json
"""

from __future__ import annotations

import itertools
import json
import math
import os
import pickle
import statistics
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.command_line import BenchmarkError
from benchmarks.quality.kmeans import kmeans_of_pieces, line_shapes
from benchmarks.quality.metrics import (
    SHARED,
    Drawn,
    drawn_by_ours,
    drawn_by_reference,
    drawn_by_shapes,
    measure,
)
from benchmarks.reference import ReferenceTrainer, Schedule, build_reference, count_parameters, load_reference
from model.configuration.reading import parse_configuration
from model.network.batch import Batch
from model.study import ShapeActionStudy

WARMUP_FRACTION = 0.05  # of the reference's steps; its own 1000 would be longer than most budgets here
MOST_WARMUP_STEPS = 1000
OURS, LINES, KMEANS = "ours", "straight lines", "k-means"
STEPS, SECONDS, LONGER = "reference, equal steps", "reference, equal seconds", "reference, longer"
BASELINES, TRAINERS = (LINES, KMEANS), (OURS, LINES, KMEANS, STEPS, SECONDS, LONGER)
POLL_S = 0.2


@dataclass(frozen=True)
class Task:
    """One run."""

    data: str  # name of the data set
    study: str  # file with the pickled study of the data set
    configuration: dict[str, Any]  # complete, as `model.configuration.reading` reads it
    threads: int = 1  # CPU threads
    trainer: str = OURS  # one of `TRAINERS`; those of the reference say how its steps were found
    reference: str | None = None  # clone of the reference; None for all others
    steps: int = 0  # for the reference, how many
    rate: float | None = None  # for the reference, its learning rate

    @property
    def title(self) -> str:
        """For people, one line."""
        c = self.configuration
        who = f"{self.data}, J = {c['codebook_size']}, seed {c['seed']}: {self.trainer}"
        return who if self.rate is None else f"{who}, rate {self.rate:g}"

    def write(self, file: Path) -> None:
        """Write the task for a process that does it."""
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")


def perform(task: Task) -> tuple[dict[str, Any], Drawn | None]:
    """Train to the end of the budget and measure the test part, once; return the record, and what the model draws.

    Where training broke down (weights that are no numbers) the metrics are NaN. Of that, and of a baseline, nothing is
    drawn.
    """
    torch.set_num_threads(task.threads)
    study: ShapeActionStudy = pickle.loads(Path(task.study).read_bytes())
    test = study.test_split("cpu")
    assert test is not None, "checked before any run"
    own = {OURS: _ours} | dict.fromkeys(BASELINES, _baseline)
    figures, metrics, drawn = own.get(task.trainer, _reference)(task, study, test)
    c = task.configuration
    record = {
        "data": task.data,
        "codes": c["codebook_size"],
        "seed": c["seed"],
        "trainer": task.trainer,
        "rate": c["training"]["learning_rate"] if task.trainer == OURS else task.rate,
        **figures,
        "metrics": metrics,
    }
    return record, drawn


Trained = tuple[dict[str, Any], dict[str, float], Drawn | None]  # figures of the training, metrics, what is drawn
BROKEN = dict.fromkeys(SHARED, math.nan)


def _ours(task: Task, study: ShapeActionStudy, test: Batch) -> Trained:
    run = study.trial(task.configuration | {"threads": task.threads}, "cpu")
    epochs = run.configuration.epochs
    began, loss = time.process_time(), math.nan
    for _ in range(epochs):
        loss = run.train_epoch()["loss"]
    figures = {
        "epochs": epochs,
        "steps": epochs * run.steps_per_epoch,
        "seconds": time.process_time() - began,
        "loss": loss,
        "rebuilding_loss": None,  # only asked for where learning rates are compared
        "parameters": count_parameters(run.model),
    }
    if not _sound(run.model):
        return figures, BROKEN, None
    drawn = drawn_by_ours(run, test)
    return figures, run.evaluate(test) | measure(drawn, study.dataset.native_length), drawn


def _baseline(task: Task, study: ShapeActionStudy, test: Batch) -> Trained:
    c = task.configuration
    tokens, samples = (c["architecture"][name] for name in ("tokens", "shape_samples"))
    began, x = time.process_time(), torch.tensor(np.ascontiguousarray(study.dataset.train.x))
    if task.trainer == LINES:
        shapes = line_shapes(samples)
    else:
        shapes = kmeans_of_pieces(x, tokens, c["codebook_size"], c["seed"], samples).shapes
    seconds = time.process_time() - began
    figures = {**dict.fromkeys(("epochs", "steps", "loss", "rebuilding_loss", "parameters")), "seconds": seconds}
    return figures, measure(drawn_by_shapes(shapes, test.x, tokens), study.dataset.native_length), None


def _reference(task: Task, study: ShapeActionStudy, test: Batch) -> Trained:
    assert task.reference is not None
    assert task.rate is not None
    c = parse_configuration(task.configuration)
    model = build_reference(load_reference(Path(task.reference)), c.architecture, c.codebook_size, c.seed)
    x = torch.tensor(np.ascontiguousarray(study.dataset.train.x))
    warmup = min(MOST_WARMUP_STEPS, max(1, round(WARMUP_FRACTION * task.steps)))
    batches = shuffled_batches(x, c.training.batch_size, c.seed)
    trainer = ReferenceTrainer(model, batches, Schedule(task.rate, warmup, task.steps))
    began, losses, rebuilding = time.process_time(), list[float](), list[float]()
    for _ in range(task.steps):
        trainer.step()
        losses.append(float(trainer.loss))
        rebuilding.append(float(trainer.rebuilding))
    seconds = time.process_time() - began
    per_epoch = math.ceil(len(x) / c.training.batch_size)
    figures = {
        "epochs": task.steps / per_epoch,
        "steps": task.steps,
        "seconds": seconds,
        "loss": statistics.fmean(losses[-per_epoch:]),
        "rebuilding_loss": statistics.fmean(rebuilding[-per_epoch:]),
        "parameters": trainer.parameters,
    }
    if not _sound(model):
        return figures, BROKEN, None
    drawn = drawn_by_reference(model, test.x)
    return figures, measure(drawn, study.dataset.native_length), drawn


def _sound(model: nn.Module) -> bool:
    return all(bool(torch.isfinite(p).all()) for p in model.parameters())


def shuffled_batches(x: Tensor, recordings: int, seed: int) -> Iterator[Tensor]:
    """Yield the series of one step after another, for ever: each pass goes through all of `x` in a new order.

    `x` is `(recordings, channels, T)`; a step has `recordings` of them, the last of a pass maybe fewer, as ours has.
    """
    generator = torch.Generator().manual_seed(seed)
    while True:
        for rows in torch.randperm(len(x), generator=generator).split(recordings):
            yield x[rows].flatten(0, 1)


def example(drawn: Drawn) -> dict[str, np.ndarray]:
    """Return what the pictures show: all shapes, their use, and one series.

    The series is the first channel of the recording in the middle of the test part: chosen before anything was drawn.
    """
    recordings, channels, _ = drawn.x.shape
    own = {"x": drawn.x.flatten(0, 1), "stitched": drawn.stitched(drawn.codes)}
    own |= {"start": drawn.start, "length": drawn.length}
    one = {name: values[recordings // 2 * channels].numpy() for name, values in own.items()}
    return {"shapes": drawn.shapes.numpy(), "counts": drawn.counts.numpy(), **one}


def main(file: Path) -> None:
    """Do the task in `file`; write `result.json` and, for the pictures, `example.npz` beside it."""
    record, drawn = perform(Task(**json.loads(file.read_text(encoding="utf-8"))))
    if drawn:
        np.savez(file.with_name("example.npz"), **example(drawn))
    file.with_name("result.json").write_text(json.dumps(record), encoding="utf-8")


Plan = Generator[Task, dict[str, Any], None]  # gives the next task, takes its record


def cell(ours: Task, reference: Path | None, rates: Iterable[float], longer: int | None = None) -> Plan:
    """Plan all runs of one data set, codebook size and seed; without a clone of the reference ours and the baselines.

    The reference trains for as many steps as ours at each of its learning rates, then for as many seconds, for which
    the runs before give its speed, and, where asked for, `longer`: so many times our steps.
    """
    record = yield ours
    for baseline in BASELINES:
        yield replace(ours, trainer=baseline)
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
    """Do all runs of all cells, `jobs` processes at a time; cells are begun in order, and each run gets a folder.

    Raises:
        BenchmarkError: A run failed; nothing runs any more.
    """
    waiting, active, places = iter(plans), list[Running](), (folder / f"run-{n}" for n in itertools.count(1))
    try:
        while True:
            while len(active) < jobs and (plan := next(waiting, None)) is not None:
                active.append(_begin(next(plan), plan, next(places)))
            if not active:
                return
            for running in [r for r in active if r.process.poll() is not None]:
                active.remove(running)
                finished = _collect(running)
                if (task := advance(running.plan, finished.record)) is not None:
                    active.append(_begin(task, running.plan, next(places)))
                yield finished
            time.sleep(POLL_S)
    finally:
        for running in active:
            running.process.kill()
            running.process.wait()


def advance(plan: Plan, record: dict[str, Any]) -> Task | None:
    """Return the task after a record; None at the end of the plan."""
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


if __name__ == "__main__":
    main(Path(sys.argv[1]))
