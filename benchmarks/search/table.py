"""Train every configuration of a grid over a space, for `quality.py` to replay searches on.

    python -m benchmarks.search.table --out benchmarks/search/basic_motions.csv.gz --ends /tmp/ends
    python -m benchmarks.search.table --space benchmarks/search/epilepsy.yaml --out benchmarks/search/epilepsy.csv.gz \\
        --set data='{train_ts: Epilepsy_TRAIN.ts, test_ts: Epilepsy_TEST.ts}' --ends /tmp/epilepsy

A search can only be compared with others over many seeds where its trials cost nothing. So each of the 224
configurations of the grid is trained in full here, with a seed of its own, and measured six times on the way. Then
those on the front, and those that luck may have kept from it, are trained with two further seeds: the front of means
is what can be expected. What is done is kept in FILE.part, one row per evaluation, so a run that was stopped goes on.
With --ends the state at the end of each first training is kept, from which `lines.py` lets it go on.
"""

from __future__ import annotations

import gzip
import itertools
import multiprocessing
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from benchmarks.command_line import PATH, POSITIVE, PROGRESS, BenchmarkError, benchmark
from results.records.objectives import minimised, objective_values
from search.space.assignments import assign, read_assignments
from search.space.reading import parse_space, read_document
from search.space.schema import Space

HERE = Path(__file__).parent
SPACE = HERE / "space.yaml"
GRID: dict[str, tuple[Any, ...]] = {
    "codebook_size": (8, 16, 32, 64),
    "action_weight": (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95),
    "num_sub_actions": (9, 11, 13, 15),
    "method": ("action_head", "action_decoder"),
}
EVALUATIONS = 6  # of a training, evenly spaced
SEEDS = 3  # of what is near the front
NEAR = 0.9  # what is worse than a point on the front by more than this factor in both objectives is not near
ALMOST = 0.06  # by which a single training near the front may break an upper guard
BESIDE = ("action_kl_ratio", "shape_skill")  # kept beside the metrics of the space
SEED_STEP = 1000  # from the first seed of a configuration, its number, to the next

space_option = click.option("--space", type=PATH, default=SPACE, metavar="FILE", help="(default space.yaml)")
set_option = click.option(
    "--set", "assigned", multiple=True, metavar="KEY=VALUE", help="fix a key of the configuration, as in search.run"
)


@benchmark("python -m benchmarks.search.table")
@space_option
@set_option
@click.option("--out", type=PATH, required=True, metavar="FILE.csv.gz")
@click.option("--ends", type=PATH, metavar="FOLDER", help="keep the ends of trainings there")
@click.option("--jobs", type=POSITIVE, default=2, metavar="N", help="processes, one thread each (default 2)")
def main(space: Path, assigned: tuple[str, ...], out: Path, ends: Path | None, jobs: int) -> int:
    """Train a grid over a space."""
    if out.exists():
        raise BenchmarkError(f"--out {out}: already there; remove it, or give another name")
    if out.suffixes[-2:] != [".csv", ".gz"] or not out.absolute().parent.is_dir():
        raise BenchmarkError(f"--out {out}: expected a .csv.gz file in an existing folder")
    build(read(space, assigned), space, out, ends, jobs)
    return 0


def read(file: Path, assigned: Sequence[str]) -> Space:
    """Return the space of a table."""
    return parse_space(assign(read_document(file), read_assignments(assigned)), file)


def configurations() -> list[dict[str, Any]]:
    """Return the grid, in its order."""
    return [dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())]


def evaluated(epochs: int) -> list[int]:
    """Return the epochs after which metrics are taken."""
    return [epochs * n // EVALUATIONS for n in range(1, EVALUATIONS + 1)]


class Trainer:
    """The study of a space, and what its trainings have in common."""

    def __init__(self, space: Space, file: Path):
        import torch

        from model.study import ShapeActionStudy

        torch.set_num_threads(1)
        self.space = space
        self.fixed = ShapeActionStudy.resolve(space.fixed, file.parent)
        self.study = ShapeActionStudy(self.fixed)

    def run(self, number: int, seed: int, **changes: Any) -> Any:
        """Return the run of a configuration; `changes` make it a line."""
        plain = {**configurations()[number], "epochs": self.space.budget.epochs, "seed": seed, "threads": 1}
        return self.study.trial({**self.fixed, **plain, **changes}, "cpu")

    def train(self, number: int, replicate: int, ends: Path | None) -> list[dict[str, Any]]:
        """Train one configuration; return the rows of its table, seconds counted without evaluations."""
        epochs, rows, seconds = self.space.budget.epochs, [], 0.0
        run = self.run(number, number + SEED_STEP * replicate)
        for epoch in range(1, epochs + 1):
            began = time.perf_counter()
            run.train_epoch()
            seconds += time.perf_counter() - began
            if epoch in evaluated(epochs):
                row = {"configuration": number, **configurations()[number], "replicate": replicate, "epoch": epoch}
                rows.append(row | {"seconds": round(seconds, 3)} | self.measure(run))
        if ends is not None and not replicate:
            place = ends / str(number)
            place.mkdir(parents=True, exist_ok=True)
            run.save(place)
        return rows

    def measure(self, run: Any) -> dict[str, float]:
        """Return the metrics of a run as they stand in a table."""
        metrics = run.evaluate()
        return {name: float(f"{metrics[name]:.6g}") for name in (*self.space.metrics, *BESIDE)}


_trainer: Trainer | None = None


def _load(space: Space, file: Path) -> None:
    """Load the study in a process of its own."""
    global _trainer
    _trainer = Trainer(space, file)


def _train(task: tuple[int, int, Path | None]) -> list[dict[str, Any]]:
    assert _trainer is not None, "a process loads the study first"
    return _trainer.train(*task)


def missing(part: Path, space: Space) -> list[tuple[int, int]]:
    """Return the configurations and replicates that the unfinished table lacks; the second seeds once all have one."""
    done: set[tuple[int, int]] = set()
    wanted = [(number, 0) for number in range(len(configurations()))]
    if part.exists():
        rows = pd.read_csv(part)
        rows = rows[rows["epoch"] == space.budget.epochs]
        done = set(zip(rows["configuration"].tolist(), rows["replicate"].tolist(), strict=True))
        if done.issuperset(wanted):
            close = near(rows[rows["replicate"] == 0], space)
            wanted = [(number, replicate) for replicate in range(1, SEEDS) for number in close]
    return [task for task in wanted if task not in done]


def near(rows: pd.DataFrame, space: Space) -> list[int]:
    """Return the configurations on the front or near it, those included that all but keep the upper guards."""
    found: set[int] = set()
    values = minimised(objective_values(rows, space.objectives), space.objectives)
    for slack in (0.0, ALMOST):
        able = np.ones(len(rows), dtype=bool)
        for guard in space.guards:
            eased = guard if guard.below is None else guard.model_copy(update={"below": guard.below + slack})
            able &= eased.holds(rows[guard.metric].to_numpy())
        kept = values[able]
        numbers = rows["configuration"].to_numpy()[able]
        behind = [(kept <= point * NEAR).all(axis=1).any() for point in kept]
        found |= {int(number) for number, worse in zip(numbers, behind, strict=True) if not worse}
    return sorted(found)


def build(space: Space, file: Path, out: Path, ends: Path | None, jobs: int) -> None:
    """Train what is missing and compress the table, sorted."""
    part = out.with_suffix(".part")
    with multiprocessing.get_context("spawn").Pool(jobs, _load, (space, file)) as pool:
        while left := missing(part, space):
            began = time.perf_counter()
            tasks = [(*task, ends) for task in left]
            for count, rows in enumerate(pool.imap_unordered(_train, tasks), start=1):
                pd.DataFrame(rows).to_csv(part, mode="a", header=not part.exists(), index=False)
                PROGRESS.print(f"{count} of {len(left)}, {time.perf_counter() - began:.0f} s")
    pack(part, out)


def pack(part: Path, out: Path) -> None:
    """Compress an unfinished table, sorted."""
    rows = pd.read_csv(part, dtype=str)
    keys = ["configuration", "replicate", "epoch"]
    order = rows[keys].astype(int).sort_values(keys)
    text = rows.loc[order.index].to_csv(index=False)
    out.write_bytes(gzip.compress(text.encode(), mtime=0))
    part.unlink()


if __name__ == "__main__":
    sys.exit(main())
