"""Do codes name the right sub-action? Trainings on recordings whose truth is known, beside controls.

    python -m benchmarks.meaning --json meaning.json
    python -m benchmarks.meaning --design four --codes 16 --weights .5 --kinds ours "true labels" --seeds 1
    python -m benchmarks.meaning --zero-shot --design six
    python -m benchmarks.meaning --zero-shot --config epilepsy.yaml

All figures are of test parts that nothing was chosen on; recordings are drawn anew for each seed. Below the table
stands how well the metrics, which know no truth, order the trainings by the share of tokens named right.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
from click.core import ParameterSource

from benchmarks.command_line import JSON, PATH, POSITIVE, PROGRESS, BenchmarkError, benchmark, finish
from benchmarks.machine import machine, versions
from benchmarks.meaning import report, zero_shot
from benchmarks.meaning.designs import DESIGNS, prepare
from benchmarks.meaning.training import CLUSTERS, KINDS, Task, perform
from benchmarks.quality.classifiers import open_study

# Keys by which a trial could make its exam easier, were it marked by its own attention.
TAMPERED: dict[str, dict[str, Any]] = {
    "as it is": {},
    "momentum .9999999": {"momentum": 0.9999999},
    "attention temperature .01": {"attention_temperature": 0.01},
    "attention temperature 10": {"attention_temperature": 10.0},
    "width 4": {"width": 4},
    "width 256": {"width": 256},
}
METHODS = ("action_decoder", "action_head")
WEIGHT = click.FloatRange(0, 1, min_open=True, max_open=True)
_option = click.option
# What a mode does not read, and what it reads one value of.
UNREAD = {"zero": ("tampered", "weights", "methods", "kinds"), "tampered": ("methods", "kinds")}
SINGLE = {"zero": ("codes",), "tampered": ("codes", "weights")}
_SEVERAL = ("--design", "--codes", "--weights", "--methods", "--kinds")


@benchmark("python -m benchmarks.meaning", several=_SEVERAL)
@_option("--design", type=click.Choice(list(DESIGNS)), multiple=True, help="default four, anti, three and other")
@_option("--codes", type=POSITIVE, multiple=True, default=[16, 64], metavar="J ...", help="codes in the codebook")
@_option("--weights", type=WEIGHT, multiple=True, default=[0.2, 0.5, 0.9], metavar="W ...", help="action_weight")
@_option("--methods", type=click.Choice(METHODS), multiple=True, default=METHODS[:1], help="default action_decoder")
@_option("--kinds", type=click.Choice([*KINDS, CLUSTERS]), multiple=True, help="what labels come from; default all")
@_option("--tampered", is_flag=True, help="instead: keys of the alignment changed, with the shared and an own key")
@_option("--zero-shot", "zero", is_flag=True, help="instead: classes left out of training; default design six")
@_option("--config", type=PATH, multiple=True, metavar="FILE", help="with --zero-shot: real data; can be repeated")
@_option("--seeds", type=POSITIVE, default=3, metavar="N", help="seeds 0 to N - 1")
@_option("--epochs", type=POSITIVE, default=60, metavar="N", help="of each training; with --config the file's")
@_option("--jobs", type=POSITIVE, default=1, metavar="N", help="trainings at a time, each with one thread")
@JSON
def main(**options: Any) -> int:
    """Measure whether codes name the right sub-action, on recordings whose truth is known."""
    o, began = SimpleNamespace(**options), time.perf_counter()
    _refuse_unread(o)
    result: dict[str, Any] = {
        "benchmark": "meaning",
        "options": {name: value for name, value in options.items() if name not in ("json", "config")},
        "versions": versions("torch", "numpy", "scikit-learn"),
        "machine": machine(),
    }
    if o.zero:
        result["runs"] = runs = _zero_shot(o)
        shown = [report.zero_shot_table(runs)]
    else:
        result["runs"] = runs = _trained(list(_tampered(o) if o.tampered else _tasks(o)), o.jobs)
        result["rows"] = rows = report.over_seeds(runs)
        result["rank_correlation"] = found = report.rank_correlation(runs)
        shown = [report.table(rows), report.correlation_table(found)]
    return finish(result | {"seconds": time.perf_counter() - began}, o.json, shown)


def _refuse_unread(o: SimpleNamespace) -> None:
    """Refuse options on the command line that would not be read, or of which only the first value would."""
    source = click.get_current_context().get_parameter_source
    if o.config and not o.zero:
        raise BenchmarkError("--config: is read with --zero-shot alone; add it")
    mode = "zero" if o.zero else "tampered" if o.tampered else ""
    flag = "--zero-shot" if o.zero else "--tampered"
    for name in UNREAD.get(mode, ()):
        if source(name) is ParameterSource.COMMANDLINE:
            raise BenchmarkError(f"--{name}: is not read with {flag}; leave it out")
    for name in SINGLE.get(mode, ()):
        if source(name) is ParameterSource.COMMANDLINE and len(getattr(o, name)) > 1:
            raise BenchmarkError(f"--{name}: give one value with {flag}")


def _tasks(o: SimpleNamespace) -> Iterator[Task]:
    kinds = o.kinds or (*KINDS, CLUSTERS)
    for design, codes, seed in product(o.design or ("four", "anti", "three", "other"), o.codes, range(o.seeds)):
        for weight, method, kind in product(o.weights, o.methods, kinds):
            if kind != CLUSTERS:
                yield Task(design, kind, codes, seed, weight, method, o.epochs)
        if CLUSTERS in kinds:
            yield Task(design, CLUSTERS, codes, seed)


def _tampered(o: SimpleNamespace) -> Iterator[Task]:
    for kind, how in product(("ours", "own attention"), TAMPERED):
        for design, seed in product(o.design or ("four",), range(o.seeds)):
            yield Task(
                design, kind, o.codes[0], seed, o.weights[0], epochs=o.epochs, changed=how, alignment=TAMPERED[how]
            )


def _trained(tasks: list[Task], jobs: int) -> report.Rows:
    """Do all trainings, and return each with what it measured."""
    done: report.Rows = []
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        for task, measured in zip(tasks, pool.map(perform, tasks), strict=True):
            done.append({**vars(task), "measured": measured})
            PROGRESS.print(f"{len(done)} of {len(tasks)}: {task.title}: {measured['tokens']:.3f} of tokens")
    return done


def _zero_shot(o: SimpleNamespace) -> report.Rows:
    """Leave out each class of each data set in turn."""
    asked: list[tuple[str, dict[str, Any], int]] = []
    designs = o.design or (() if o.config else ("six",))
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(o.seeds):
            for path in o.config:
                asked.append((str(path), open_study(path)[1], seed))
            for design in designs:
                values = prepare(design, seed, Path(folder)).configuration
                asked.append((design, values | {"codebook_size": o.codes[0], "epochs": o.epochs}, seed))
        done: report.Rows = []
        with ProcessPoolExecutor(o.jobs, multiprocessing.get_context("spawn")) as pool:
            found = pool.map(zero_shot.measure, *zip(*((values, seed) for _, values, seed in asked), strict=True))
            for (data, _, seed), rows in zip(asked, found, strict=True):
                done += [{"data": data, "seed": seed, **row} for row in rows]
                PROGRESS.print(f"{data}, seed {seed}: each of {len(rows)} classes left out")
    return done


if __name__ == "__main__":
    sys.exit(main())
