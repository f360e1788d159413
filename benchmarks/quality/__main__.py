"""How good what a model learns is, beside the reference implementation: the same metrics, on the test part.

    python -m benchmarks.quality --reference ../VQShape --json quality.json --out pictures
    python -m benchmarks.quality --config epilepsy.yaml --config gait.yaml --codes 16 64 --seeds 3 --jobs 2
    python -m benchmarks.quality --train-ts E_TRAIN.ts --test-ts E_TEST.ts --name Epilepsy

Owns the command line, the result file and the order of everything. Ours trains with its defaults; the reference trains
on the same batches for as many optimiser steps, and again for as much CPU time, each at every `--reference-rates`, of
which the one that rebuilds better in training counts. Both are measured once, after the last step, on the test part;
nothing is chosen there. The result file is written after every run. Exit codes: 0 done, 2 bad input, 130 stopped.
"""

from __future__ import annotations

import argparse
import json
import pickle
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks.command_line import PIPED_WIDTH, BenchmarkError, OneLineParser, check_json, positive
from benchmarks.machine import machine, versions
from benchmarks.quality.data import DataSet, data_sets
from benchmarks.quality.pictures import draw_series, draw_shapes
from benchmarks.quality.queue import Finished, Plan, cell, work_through
from benchmarks.quality.report import best_rate, plain, summary, tables
from benchmarks.quality.runs import OURS, Task
from benchmarks.reference import load_reference


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"expected a learning rate between 0 and 1, got {text!r}")
    return value


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line.

    Raises:
        BenchmarkError: An argument that cannot be used.
    """
    parser = OneLineParser(description="Quality of what is learnt, on the test part.", allow_abbrev=False)
    add = parser.add_argument
    add("--data", action="append", metavar="NAME", help="a data set by name; BasicMotions where nothing is given")
    add("--train-ts", type=Path, metavar="FILE", help="training part of a data set in .ts files")
    add("--test-ts", type=Path, metavar="FILE", help="its test part")
    add("--name", help="of the data set in .ts files")
    add("--vocabulary", type=Path, metavar="FILE", help="sub-actions; known for BasicMotions and Epilepsy")
    add("--config", type=Path, action="append", metavar="FILE", help="data, vocabulary, the rest; can be repeated")
    add("--codes", type=positive, nargs="+", default=[16, 64], metavar="J", help="codes in the codebook")
    add("--seeds", type=positive, default=3, metavar="N", help="runs of each setting, with seeds 0 to N - 1")
    add("--epochs", type=positive, metavar="N", help="of ours; default some 40 s, or the configuration file's")
    add("--reference", type=Path, metavar="DIR", help="clone of github.com/YunshiWen/VQShape; without it ours alone")
    add("--reference-rates", type=_rate, nargs="+", default=[1e-4, 1e-3], metavar="R", help="its learning rates")
    add("--longer", type=positive, metavar="N", help="the reference also trains for N times our steps")
    add("--threads", type=positive, default=1, metavar="N", help="CPU threads of a run")
    add("--jobs", type=positive, default=1, metavar="N", help="runs at a time, each in a process of its own")
    add("--json", type=Path, metavar="FILE", help="writes every figure there, after each run")
    add("--out", type=Path, metavar="DIR", help="folder for the pictures of shapes")
    options = parser.parse_args(arguments)
    options.codes, options.reference_rates = (list(dict.fromkeys(o)) for o in (options.codes, options.reference_rates))
    check_json(options.json)
    if options.out and options.out.exists() and not options.out.is_dir():
        raise BenchmarkError(f"--out {options.out}: is a file; give a folder")
    return options


class Benchmark:
    """One call of the command: what is to be done, and what is done so far.

    Args:
        options: As `parse` gives them.
        folder: For what only this call needs.
    """

    def __init__(self, options: argparse.Namespace, folder: Path):
        self.options, self.folder, self.began = options, folder, time.perf_counter()
        if options.reference:
            load_reference(options.reference)  # a bad one is named before any work
        self.sets = data_sets(options)
        self.done: list[Finished] = []
        rates = len(options.reference_rates) if options.reference else 0
        self.runs_per_setting = options.seeds * (1 + (3 if options.longer else 2) * rates)
        self.total = self.runs_per_setting * len(self.sets) * len(options.codes)

    def run(self, progress: Console) -> None:
        """Does everything; the result file and the pictures grow as runs finish."""
        plans = [plan for one in self.sets for plan in self._plans(one)]
        for finished in work_through(plans, self.options.jobs, self.folder):
            self.done.append(finished)
            self._tell(finished, progress)
            self.write()
            self._draw(finished.record)

    def _plans(self, one: DataSet) -> list[Plan]:
        o = self.options
        study = self.folder / f"study-{self.sets.index(one)}.pickle"
        study.write_bytes(pickle.dumps(one.study))
        settings = [{"codebook_size": codes, "seed": seed} for codes in o.codes for seed in range(o.seeds)]
        tasks = [Task(one.label, str(study), one.configuration | setting, o.threads) for setting in settings]
        return [cell(task, o.reference, o.reference_rates, o.longer) for task in tasks]

    def _tell(self, finished: Finished, progress: Console) -> None:
        record = finished.record
        took = f"{record['steps']} steps, {record['seconds']:.1f} s"
        error = f"stitch_fvu {record['metrics']['stitch_fvu']:.3f}"
        progress.print(
            f"{len(self.done)} of {self.total}: {finished.task.title}: {took}, {error}", highlight=False, soft_wrap=True
        )

    @property
    def records(self) -> list[dict[str, Any]]:
        """Of the runs that are done, in an order that does not depend on which was faster."""
        labels = [one.label for one in self.sets]
        records = [finished.record for finished in self.done]
        return sorted(records, key=lambda r: (labels.index(r["data"]), self.options.codes.index(r["codes"]), r["seed"]))

    def write(self) -> None:
        """Writes the result file, in one step."""
        if not self.options.json:
            return
        text = json.dumps(plain(self.result()), indent=1, allow_nan=False) + "\n"
        unfinished = self.options.json.with_name(self.options.json.name + ".part")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(self.options.json)

    def result(self) -> dict[str, Any]:
        """What `--json` writes."""
        return {
            "benchmark": "quality",
            "complete": len(self.done) == self.total,
            "threads": self.options.threads,
            "jobs": self.options.jobs,
            "clock": "process CPU seconds of training, evaluation excluded",
            "data": {one.label: one.study.provenance() for one in self.sets},
            "configuration": {
                one.label: {k: v for k, v in one.configuration.items() if k != "vocabulary"} for one in self.sets
            },
            "versions": versions(with_reference=self.options.reference is not None),
            "machine": machine(torch.device("cpu")),
            "rows": summary(self.records),
            "runs": self.records,
            "seconds": time.perf_counter() - self.began,
        }

    def _draw(self, latest: dict[str, Any]) -> None:
        """Draws a setting when the last of its runs is done: until then it is open which learning rate counts."""
        setting = [f for f in self.done if all(f.record[k] == latest[k] for k in ("data", "codes"))]
        if self.options.out is None or len(setting) < self.runs_per_setting:
            return
        files = {}
        for name in dict.fromkeys(f.record["trainer"] for f in setting):
            rate = best_rate([f.record for f in setting if f.record["trainer"] == name])[0]["rate"]
            (chosen,) = [f for f in setting if _identity(f.record) == (name, rate, 0)]
            if (file := chosen.folder / "example.npz").is_file():
                files[name] = (file, chosen.record)
        # Of the reference's budgets the largest one is shown.
        reference = max((n for n in files if n != OURS), key=lambda n: files[n][1]["steps"], default=None)
        shown = {name: files[name][0] for name in (OURS, reference) if name in files}
        self.options.out.mkdir(parents=True, exist_ok=True)
        stem = f"{'-'.join(latest['data'].split())}-{latest['codes']}"
        draw_shapes(shown, self.options.out / f"{stem}-shapes.png")
        draw_series(shown, self.options.out / f"{stem}-series.png")


def _identity(record: dict[str, Any]) -> tuple[str, float, int]:
    return record["trainer"], record["rate"], record["seed"]


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    stopped = False
    benchmark = None
    try:
        options = parse(arguments)
        with tempfile.TemporaryDirectory(prefix="quality-") as folder:
            benchmark = Benchmark(options, Path(folder))
            benchmark.run(Console(stderr=True))
    except (ValueError, OSError) as error:
        print(f"quality.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        stopped = True
    if benchmark is not None and benchmark.done:
        # A table that is piped into a file need not be folded to a terminal's width.
        console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
        for table in tables(summary(benchmark.records)):
            console.print(table)
    return 130 if stopped else 0


if __name__ == "__main__":
    sys.exit(main())
