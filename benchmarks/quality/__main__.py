"""How good what a model learns is, beside simple shapes and the reference implementation: the same metrics, on test.

    python -m benchmarks.quality --reference ../VQShape --json quality.json --out pictures
    python -m benchmarks.quality --config epilepsy.yaml --config gait.yaml --codes 16 64 --seeds 3 --jobs 2
    python -m benchmarks.quality --train-ts E_TRAIN.ts --test-ts E_TEST.ts --name Epilepsy

Ours trains with its defaults; straight lines and k-means of pieces, in held windows, say what no network is needed for.
The reference trains on the same batches for as many optimiser steps, and again for as much CPU time, each at every
`--reference-rates`, of which the one that rebuilds better in training counts. All are measured once, after the last
step, on the test part; nothing is chosen there. The result file is written after every run.
"""

from __future__ import annotations

import json
import pickle
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click

from benchmarks.command_line import JSON, PATH, POSITIVE, PROGRESS, BenchmarkError, benchmark, show
from benchmarks.machine import machine, versions
from benchmarks.quality.data import DataSet, data_sets
from benchmarks.quality.pictures import draw_series, draw_shapes
from benchmarks.quality.report import best_rate, plain, summary, tables
from benchmarks.quality.runs import BASELINES, OURS, Finished, Plan, Task, cell, work_through
from benchmarks.reference import load_reference
from model.command import EXIT_INTERRUPTED
from model.files import replacing

RATE = click.FloatRange(0, 1, min_open=True, max_open=True)
_option = click.option
_count = partial(click.option, type=POSITIVE, metavar="N")


@benchmark("python -m benchmarks.quality", several=("--codes", "--reference-rates"))
@_option("--data", multiple=True, metavar="NAME", help="a data set by name; BasicMotions where nothing is given")
@_option("--train-ts", type=PATH, metavar="FILE", help="training part of a data set in .ts files")
@_option("--test-ts", type=PATH, metavar="FILE", help="its test part")
@_option("--name", help="of the data set in .ts files")
@_option("--vocabulary", type=PATH, metavar="FILE", help="sub-actions; known for BasicMotions and Epilepsy")
@_option("--config", type=PATH, multiple=True, metavar="FILE", help="data, vocabulary, the rest; can be repeated")
@_option("--codes", type=POSITIVE, multiple=True, default=[16, 64], metavar="J ...", help="codes in the codebook")
@_count("--seeds", default=3, help="runs of each setting, with seeds 0 to N - 1")
@_count("--epochs", help="of ours; default some 40 s, or the configuration file's")
@_option("--reference", type=PATH, metavar="DIR", help="clone of github.com/YunshiWen/VQShape; not run without it")
@_option("--reference-rates", type=RATE, multiple=True, default=[1e-4, 1e-3], metavar="R ...", help="learning rates")
@_count("--longer", help="the reference also trains for N times our steps")
@_count("--threads", default=1, help="CPU threads of a run")
@_count("--jobs", default=1, help="runs at a time, each in a process of its own")
@JSON
@_option("--out", type=PATH, metavar="DIR", help="folder for the pictures of shapes")
def main(**options: Any) -> int:
    """Measure the quality of what is learnt, on the test part."""
    unique = {name: list(dict.fromkeys(options[name])) for name in ("codes", "reference_rates")}
    with tempfile.TemporaryDirectory(prefix="quality-") as folder:
        progress, code = Progress(SimpleNamespace(**options | unique), Path(folder)), 0
        try:
            progress.run()
        except KeyboardInterrupt:
            code = EXIT_INTERRUPTED
        show(tables(summary(progress.records)))
    return code


class Progress:
    """One call of the command: what is to be done, and what is done so far; `folder` is for what only it needs."""

    def __init__(self, options: SimpleNamespace, folder: Path):
        self.options, self.folder, self.began = options, folder, time.perf_counter()
        if options.out and options.out.exists() and not options.out.is_dir():
            raise BenchmarkError(f"--out {options.out}: is a file; give a folder")
        if options.reference:
            load_reference(options.reference)  # a bad one is named before any work
        self.sets = data_sets(options)
        self.done: list[Finished] = []
        rates = len(options.reference_rates) if options.reference else 0
        self.runs_per_setting = options.seeds * (1 + len(BASELINES) + (3 if options.longer else 2) * rates)
        self.total = self.runs_per_setting * len(self.sets) * len(options.codes)

    def run(self) -> None:
        """Do everything; the result file and the pictures grow as runs finish."""
        plans = [plan for one in self.sets for plan in self._plans(one)]
        for finished in work_through(plans, self.options.jobs, self.folder):
            self.done.append(finished)
            record = finished.record
            took = "" if record["steps"] is None else f"{record['steps']} steps, "
            took += f"{record['seconds']:.1f} s"
            error = f"stitch_fvu {record['metrics']['stitch_fvu']:.3f}"
            PROGRESS.print(f"{len(self.done)} of {self.total}: {finished.task.title}: {took}, {error}")
            if self.options.json:
                result = json.dumps(plain(self.result()), indent=1, allow_nan=False)
                with replacing(self.options.json) as part:
                    part.write_text(result + "\n", encoding="utf-8")
            self._draw(record)

    def _plans(self, one: DataSet) -> list[Plan]:
        o = self.options
        study = self.folder / f"study-{self.sets.index(one)}.pickle"
        study.write_bytes(pickle.dumps(one.study))
        settings = [{"codebook_size": codes, "seed": seed} for codes in o.codes for seed in range(o.seeds)]
        tasks = [Task(one.label, str(study), one.configuration | setting, o.threads) for setting in settings]
        return [cell(task, o.reference, o.reference_rates, o.longer) for task in tasks]

    @property
    def records(self) -> list[dict[str, Any]]:
        """Of the runs that are done, in an order that does not depend on which was faster."""
        labels = [one.label for one in self.sets]
        records = [finished.record for finished in self.done]
        return sorted(records, key=lambda r: (labels.index(r["data"]), self.options.codes.index(r["codes"]), r["seed"]))

    def result(self) -> dict[str, Any]:
        """Return what `--json` writes."""
        shown = {one.label: {k: v for k, v in one.configuration.items() if k != "vocabulary"} for one in self.sets}
        return {
            "benchmark": "quality",
            "complete": len(self.done) == self.total,
            "threads": self.options.threads,
            "jobs": self.options.jobs,
            "clock": "process CPU seconds of training, evaluation and answer key excluded",
            "data": {one.label: one.study.provenance() for one in self.sets},
            "configuration": shown,
            "versions": versions("torch", "numpy", *(["einops"] if self.options.reference else [])),
            "machine": machine(),
            "rows": summary(self.records),
            "runs": self.records,
            "seconds": time.perf_counter() - self.began,
        }

    def _draw(self, latest: dict[str, Any]) -> None:
        """Draw a setting when the last of its runs is done: until then it is open which learning rate counts."""
        setting = [f for f in self.done if all(f.record[k] == latest[k] for k in ("data", "codes"))]
        if self.options.out is None or len(setting) < self.runs_per_setting:
            return
        files: dict[str, tuple[Path, int]] = {}
        for name in dict.fromkeys(f.record["trainer"] for f in setting):
            own = [f for f in setting if f.record["trainer"] == name]
            rate = best_rate([f.record for f in own])[0]["rate"]
            (chosen,) = [f for f in own if (f.record["rate"], f.record["seed"]) == (rate, 0)]
            if (file := chosen.folder / "example.npz").is_file():
                files[name] = (file, chosen.record["steps"])
        # Of the reference's budgets the largest one is shown.
        reference = max((n for n in files if n != OURS), key=lambda n: files[n][1], default=None)
        shown = {name: files[name][0] for name in (OURS, reference) if name in files}
        self.options.out.mkdir(parents=True, exist_ok=True)
        stem = f"{'-'.join(latest['data'].split())}-{latest['codes']}"
        if shown:  # not where every training broke down
            draw_shapes(shown, self.options.out / f"{stem}-shapes.png")
            draw_series(shown, self.options.out / f"{stem}-series.png")


if __name__ == "__main__":
    sys.exit(main())
