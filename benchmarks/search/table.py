"""Train every configuration of a grid over `space.yaml`, once, for `quality.py` to replay.

    python -m benchmarks.search.table --out benchmarks/search/table.csv.gz --jobs 2

A search can only be compared with others over many seeds where its trials cost nothing. So each of the 224
configurations of the grid is trained in full here, on BasicMotions and with a seed of its own, and every metric of the
objectives and guards is kept at every second epoch and at the first odd ones. What is done is kept in FILE.part, one
row per evaluation, so a run that was stopped goes on.
"""

from __future__ import annotations

import gzip
import itertools
import multiprocessing
import sys
import time
from pathlib import Path
from typing import Any

import click
import pandas as pd
import yaml

from benchmarks.command_line import PATH, POSITIVE, PROGRESS, BenchmarkError, benchmark
from search.space.reading import read_space

SPACE = Path(__file__).with_name("space.yaml")
GRID: dict[str, tuple[Any, ...]] = {
    "codebook_size": (8, 16, 32, 64),
    "action_weight": (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95),
    "num_sub_actions": (9, 12, 15, 18),
    "method": ("action_head", "action_decoder"),
}
FIRST_EPOCHS = (1, 3, 5)


@benchmark("python -m benchmarks.search.table")
@click.option("--out", type=PATH, required=True, metavar="FILE.csv.gz")
@click.option("--jobs", type=POSITIVE, default=2, metavar="N", help="processes, one thread each (default 2)")
def main(out: Path, jobs: int) -> int:
    """Train a grid over space.yaml."""
    if out.exists():
        raise BenchmarkError(f"--out {out}: already there; remove it, or give another name")
    if out.suffixes[-2:] != [".csv", ".gz"] or not out.absolute().parent.is_dir():
        raise BenchmarkError(f"--out {out}: expected a .csv.gz file in an existing folder")
    build(out, jobs)
    return 0


def configurations() -> list[dict[str, Any]]:
    """Return the grid, in its order."""
    return [dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())]


def evaluated(epochs: int) -> set[int]:
    """Return the epochs after which metrics are taken."""
    return {*FIRST_EPOCHS, *range(2, epochs, 2), epochs}


_study: Any = None
_fixed: dict[str, Any] = {}


def _load() -> None:
    """Load the study in a process of its own."""
    import torch

    from model.study import ShapeActionStudy

    global _study, _fixed
    torch.set_num_threads(1)
    _fixed = ShapeActionStudy.resolve(yaml.safe_load(SPACE.read_text())["fixed"], SPACE.parent)
    _study = ShapeActionStudy(_fixed)


def train(number: int) -> list[dict[str, Any]]:
    """Train one configuration; return the rows of its table, seconds counted without evaluations."""
    space, point, rows, seconds = read_space(SPACE), configurations()[number], [], 0.0
    epochs = space.budget.epochs
    run = _study.trial({**_fixed, **point, "epochs": epochs, "seed": number, "threads": 1}, "cpu")
    for epoch in range(1, epochs + 1):
        began = time.perf_counter()
        run.train_epoch()
        seconds += time.perf_counter() - began
        if epoch in evaluated(epochs):
            metrics = run.evaluate()
            rows.append(
                {"configuration": number, **point, "epoch": epoch, "seconds": round(seconds, 3)}
                | {name: float(f"{metrics[name]:.6g}") for name in space.metrics}
            )
    return rows


def missing(part: Path) -> list[int]:
    """Return the numbers of the configurations whose last epoch is not in the unfinished table."""
    done = set()
    if part.exists():
        rows = pd.read_csv(part)
        done = set(rows["configuration"][rows["epoch"] == read_space(SPACE).budget.epochs])
    return [number for number in range(len(configurations())) if number not in done]


def build(out: Path, jobs: int) -> None:
    """Train what is missing and compress the table, sorted."""
    part = out.with_suffix(".part")
    left, began = missing(part), time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(jobs, _load) as pool:
        for count, rows in enumerate(pool.imap_unordered(train, left), start=1):
            pd.DataFrame(rows).to_csv(part, mode="a", header=not part.exists(), index=False)
            PROGRESS.print(f"{count} of {len(left)}, {time.perf_counter() - began:.0f} s")
    header, *lines = part.read_text().splitlines()
    columns = header.split(",")
    keys = [columns.index(name) for name in ("configuration", "epoch")]
    lines.sort(key=lambda line: [int(line.split(",")[key]) for key in keys])
    out.write_bytes(gzip.compress(("\n".join([header, *lines]) + "\n").encode(), mtime=0))
    part.unlink()


if __name__ == "__main__":
    sys.exit(main())
