"""How well the frozen features of trained configurations classify, beside MiniRocket.

    python -m benchmarks.quality.classifiers runs/tradeoff/best/knee
    python -m benchmarks.quality.classifiers one.yaml two.yaml --seeds 5 --json classifiers.json

Each configuration is trained with the seeds 0, 1, …, in place of its own, without a search. Then linear classifiers on
its token features and on its code histograms (`model/evaluation/downstream.py`) are fitted on the training split and
measured on the test part. MiniRocket (Dempster et al. 2021, as aeon has it) sees the same recordings, resampled and
normalised alike: once the same training split, once with the validation split added to it, which our model has been
given neither to train nor to fit.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import numpy as np
import torch
from rich.table import Table

from benchmarks.command_line import JSON, PATH, POSITIVE, PROGRESS, BenchmarkError, benchmark, finish, table_of
from benchmarks.machine import DEVICE, machine, versions
from benchmarks.quality.report import figure, spread
from model.configuration.reading import read_configuration
from model.dataset.loading import Dataset
from model.evaluation.downstream import confusion_matrix, scores
from model.study import ShapeActionStudy

OURS = {"token": "linear on tokens", "histogram": "linear on code histograms"}
KEPT_METRICS = ("stitch_fvu", "action_kl_ratio")  # of the test part, beside the accuracies


@benchmark("python -m benchmarks.quality.classifiers")
@click.argument("configurations", type=PATH, nargs=-1, required=True, metavar="CONFIG.yaml...")
@click.option("--seeds", type=POSITIVE, default=3, metavar="N", help="seeds 0 to N - 1 (default 3)")
@JSON
@DEVICE
@click.option("--threads", type=POSITIVE, metavar="N", help="CPU threads of everything")
def main(**given: Any) -> int:
    """Fit linear classifiers on frozen features, beside MiniRocket."""
    options, began = SimpleNamespace(**given), time.perf_counter()
    studies = [open_study(path) for path in options.configurations]  # a bad one is named before any work
    if options.threads:
        torch.set_num_threads(options.threads)
    threads = {"threads": options.threads} if options.threads else {}
    measured = []
    for path, (study, values) in zip(options.configurations, studies, strict=True):
        PROGRESS.print(f"{path}: {values['epochs']} epochs, {options.seeds} seeds")
        measured.append(measure(path, study, values | threads, options))
    result = {
        "benchmark": "classifiers",
        "device": options.device,
        "seeds": options.seeds,
        "versions": versions("torch", "numpy", "aeon", "scikit-learn"),
        "machine": machine(options.device),
        "configurations": measured,
        "seconds": time.perf_counter() - began,
    }
    return finish(result, options.json, map(table, measured))


def open_study(path: Path) -> tuple[ShapeActionStudy, dict[str, Any]]:
    """Load what a configuration names, with the configuration in full.

    Raises:
        InputError: It cannot be trained, or its data has no test part.
    """
    values = read_configuration(path).model_dump(mode="json")
    try:
        study = ShapeActionStudy(values)
        study.check(values)
    except ValueError as error:
        raise BenchmarkError(f"{path}: {error}") from None
    if study.dataset.test is None:
        raise BenchmarkError(f"{path}: data: there is no test part to measure on")
    return study, values


def measure_ours(study: ShapeActionStudy, values: dict[str, Any], seeds: int, device: str) -> list[dict[str, Any]]:
    """Train with each seed and measure the test part: one dictionary of metrics per seed."""
    measured = []
    for seed in range(seeds):
        began = time.perf_counter()
        run = study.trial(values | {"seed": seed}, device)
        for _ in range(values["epochs"]):
            run.train_epoch()
        measured.append(run.evaluate(study.test_split(device)) | {"seconds": time.perf_counter() - began})
    return measured


def measure_minirocket(data: Dataset, with_validation: bool, seeds: int, threads: int) -> list[dict[str, Any]]:
    """Fit MiniRocket with each seed and measure the test part."""
    from aeon.classification.convolution_based import MiniRocketClassifier

    assert data.test is not None
    parts = [data.train, data.validation] if with_validation else [data.train]
    x, y = np.concatenate([part.x for part in parts]), np.concatenate([part.y for part in parts])
    few = x[:4]
    MiniRocketClassifier(n_jobs=threads).fit(few, np.arange(len(few)) % 2)  # its first fit compiles for half a minute
    measured = []
    for seed in range(seeds):
        began = time.perf_counter()
        model = MiniRocketClassifier(random_state=seed, n_jobs=threads).fit(x, y)
        confusion = confusion_matrix(data.test.y, model.predict(data.test.x), len(data.class_names))
        measured.append(scores(confusion)._asdict() | {"seconds": time.perf_counter() - began})
    return measured


def measure(path: Path, study: ShapeActionStudy, values: dict[str, Any], options: SimpleNamespace) -> dict[str, Any]:
    """Measure all classifiers of one configuration."""
    data = study.dataset
    ours = measure_ours(study, values, options.seeds, options.device)
    seconds = {"seconds": [m["seconds"] for m in ours]}
    rows = []
    for name, title in OURS.items():
        rates = {what: [m[f"{name}_{what}"] for m in ours] for what in ("accuracy", "macro_f1")}
        rows.append({"classifier": title, "fitted_on": "train", **rates, **seconds})
    for with_validation in (False, True):
        rocket = measure_minirocket(data, with_validation, options.seeds, options.threads or 1)
        row = {"classifier": "MiniRocket", "fitted_on": "train + validation" if with_validation else "train"}
        rows.append(row | {key: [m[key] for m in rocket] for key in ("accuracy", "macro_f1", "seconds")})
    return {
        "configuration": str(path),
        "dataset": data.name,
        "classes": list(data.class_names),
        "recordings": {name: len(getattr(data, name).x) for name in ("train", "validation", "test")},
        **{name: values[name] for name in ("epochs", "method", "codebook_size")},
        "metrics": {name: [m[name] for m in ours] for name in KEPT_METRICS},
        "rows": rows,
    }


def table(measured: dict[str, Any]) -> Table:
    """Return the table of one configuration: a line per classifier, mean and deviation over the seeds."""
    n = measured["recordings"]
    title = f"{measured['configuration']}: {measured['dataset']}, test part, {n['test']} recordings, "
    title += f"{len(measured['classes'])} classes"
    rows = []
    for row in measured["rows"]:
        figures = (figure(spread(row[key])) for key in ("accuracy", "macro_f1"))
        rows.append([row["classifier"], row["fitted_on"], *figures, f"{statistics.median(row['seconds']):.1f}"])
    headings = ("classifier", "fitted on", "accuracy", "macro-F1", "seconds")
    caption = f"{n['train']} recordings in train, {n['validation']} in validation"
    return table_of(headings, rows, left=2, title=title, caption=caption)


if __name__ == "__main__":
    sys.exit(main())
