"""One training run and its figures, in a process of its own: ours, or the reference's at some number of steps.

Owns what a run is (`Task`), how it is trained and timed, and what it writes. Time is the process's CPU time of
training alone (not of loading, evaluation or pictures): on a shared machine others decide over the wall clock. Run as a
script it takes one task as JSON:

    python -m benchmarks.quality.runs TASK.json
"""

from __future__ import annotations

import json
import math
import pickle
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.quality.metrics import SHARED, Drawn, OurQuality, Quality, ReferenceQuality
from benchmarks.reference import ReferenceTrainer, Schedule, build_reference, load_reference
from benchmarks.trainer.steps import count_parameters
from model.configuration.reading import parse_configuration
from model.network.batch import Batch
from model.study import ShapeActionStudy

WARMUP_FRACTION = 0.05  # of the reference's steps; its own 1000 would be longer than most budgets here
MOST_WARMUP_STEPS = 1000
OURS, STEPS, SECONDS, LONGER = "ours", "reference, equal steps", "reference, equal seconds", "reference, longer"
TRAINERS = (OURS, STEPS, SECONDS, LONGER)


@dataclass(frozen=True)
class Task:
    """One run.

    Attributes:
        data: Name of the data set.
        study: File with the pickled study of the data set.
        configuration: Complete, as `model.configuration.reading` reads it.
        threads: CPU threads.
        trainer: One of `TRAINERS`; those of the reference say how its steps were found.
        reference: Clone of the reference; None for ours.
        steps: For the reference, how many.
        rate: For the reference, its learning rate.
    """

    data: str
    study: str
    configuration: dict[str, Any]
    threads: int = 1
    trainer: str = OURS
    reference: str | None = None
    steps: int | None = None
    rate: float | None = None

    @property
    def title(self) -> str:
        """For people, one line."""
        c = self.configuration
        who = f"{self.data}, J = {c['codebook_size']}, seed {c['seed']}: {self.trainer}"
        return who if self.rate is None else f"{who}, rate {self.rate:g}"

    def write(self, file: Path) -> None:
        """Writes the task for a process that does it."""
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")


class Trained:
    """A finished run.

    Args:
        quality: The trained model, or None where training broke down (weights that are no numbers).
        figures: Steps, seconds and what else the training itself gave.
    """

    def __init__(self, quality: Quality | None, figures: dict[str, Any]):
        self.quality, self.figures = quality, figures

    def record(self, task: Task) -> dict[str, Any]:
        """What is kept of the run; `metrics` are all NaN where training broke down."""
        c = task.configuration
        metrics = self.quality.metrics() if self.quality else dict.fromkeys(SHARED, math.nan)
        return {
            "data": task.data,
            "codes": c["codebook_size"],
            "seed": c["seed"],
            "trainer": task.trainer,
            "rate": task.rate or c["training"]["learning_rate"],
            **self.figures,
            "metrics": metrics,
        }


def perform(task: Task) -> Trained:
    """Trains to the end of the budget and measures the test part, once."""
    torch.set_num_threads(task.threads)
    study: ShapeActionStudy = pickle.loads(Path(task.study).read_bytes())
    test = study.test_split("cpu")
    assert test is not None, "checked before any run"
    return _ours(task, study, test) if task.trainer == OURS else _reference(task, study, test)


def _ours(task: Task, study: ShapeActionStudy, test: Batch) -> Trained:
    run = study.trial(task.configuration | {"threads": task.threads}, "cpu")
    epochs = run.configuration.epochs
    began, loss = time.process_time(), math.nan
    for _ in range(epochs):
        loss = run.train_epoch()["loss"]
    seconds = time.process_time() - began
    figures = {
        "epochs": epochs,
        "steps": epochs * run.steps_per_epoch,
        "seconds": seconds,
        "loss": loss,
        "rebuilding_loss": None,  # only asked for where learning rates are compared
        "parameters": count_parameters(run.model),
    }
    return Trained(OurQuality(run, test) if sound(run.model) else None, figures)


def _reference(task: Task, study: ShapeActionStudy, test: Batch) -> Trained:
    assert task.reference is not None
    assert task.steps is not None
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
    return Trained(ReferenceQuality(model, test.x) if sound(model) else None, figures)


def sound(model: nn.Module) -> bool:
    """Whether all weights are numbers."""
    return all(bool(torch.isfinite(p).all()) for p in model.parameters())


def shuffled_batches(x: Tensor, recordings: int, seed: int) -> Iterator[Tensor]:
    """Series of one step after another, for ever: each pass goes through all recordings in a new order.

    Args:
        x: `(recordings, channels, T)`.
        recordings: Of a step; the last step of a pass may have fewer, as ours has.
        seed: Of the order.
    """
    generator = torch.Generator().manual_seed(seed)
    while True:
        for rows in torch.randperm(len(x), generator=generator).split(recordings):
            yield x[rows].flatten(0, 1)


def example(drawn: Drawn) -> dict[str, np.ndarray]:
    """What the pictures show: all shapes, their use, and one series.

    The series is the first channel of the recording in the middle of the test part: chosen before anything was drawn.
    """
    recordings, channels, _ = drawn.x.shape
    series = recordings // 2 * channels
    stitched = drawn.stitched(drawn.codes)
    return {
        "shapes": drawn.shapes.numpy(),
        "counts": drawn.counts.numpy(),
        "x": drawn.x.flatten(0, 1)[series].numpy(),
        "stitched": stitched[series].numpy(),
        "start": drawn.start[series].numpy(),
        "length": drawn.length[series].numpy(),
    }


def main(file: Path) -> None:
    """Does the task in `file`; writes `result.json` and, for the pictures, `example.npz` beside it."""
    task = Task(**json.loads(file.read_text(encoding="utf-8")))
    trained = perform(task)
    if trained.quality:
        np.savez(file.with_name("example.npz"), **example(trained.quality.drawn))
    file.with_name("result.json").write_text(json.dumps(trained.record(task)), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
