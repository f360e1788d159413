"""How well the frozen features of trained configurations classify, beside MiniRocket.

    python -m benchmarks.quality.classifiers runs/tradeoff/best/knee
    python -m benchmarks.quality.classifiers one.yaml two.yaml --seeds 5 --json classifiers.json

Each configuration is trained with the seeds 0, 1, …, in place of its own, without a search. Then linear classifiers on
its token features and on its code histograms (`model/evaluation/downstream.py`) are fitted on the training split and
measured on the test part. MiniRocket (Dempster et al. 2021, as aeon has it) sees the same recordings, resampled and
normalised
alike: once the same training split, once with the validation split added to it, which our model has been given neither
to train nor to fit. Exit codes: 0 done, 2 bad input, 130 stopped.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.command_line import BenchmarkError, OneLineParser, check_json, positive, run_benchmark
from benchmarks.machine import machine, versions
from model.configuration.reading import ConfigurationError, read_configuration
from model.dataset.loading import Dataset
from model.evaluation.downstream import confusion_matrix, scores
from model.study import ShapeActionStudy

OURS = {"token": "linear on tokens", "histogram": "linear on code histograms"}
KEPT_METRICS = ("stitch_fvu", "action_kl_ratio")  # of the test part, beside the accuracies


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line.

    Raises:
        BenchmarkError: An argument that cannot be used.
    """
    parser = OneLineParser(description="Linear classifiers on frozen features, beside MiniRocket.", allow_abbrev=False)
    parser.add_argument("configurations", type=Path, nargs="+", metavar="CONFIG.yaml")
    parser.add_argument("--seeds", type=positive, default=3, metavar="N", help="seeds 0 to N - 1 (default 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes every figure there")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=positive, metavar="N", help="CPU threads of everything")
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        raise BenchmarkError("--device cuda: torch sees no GPU here; use --device cpu")
    check_json(options.json)
    return options


def open_study(path: Path) -> tuple[ShapeActionStudy, dict[str, Any]]:
    """Loads what a configuration names, with the configuration in full.

    Raises:
        BenchmarkError: It cannot be trained, or its data has no test part.
    """
    try:
        values = read_configuration(path).model_dump(mode="json")
    except ConfigurationError as error:
        raise BenchmarkError(str(error)) from None
    try:
        study = ShapeActionStudy(values)
        study.check(values)
    except ValueError as error:
        raise BenchmarkError(f"{path}: {error}") from None
    if study.dataset.test is None:
        raise BenchmarkError(f"{path}: data: there is no test part to measure on")
    return study, values


def measure_ours(study: ShapeActionStudy, values: dict[str, Any], seeds: int, device: str) -> list[dict[str, Any]]:
    """Trains with each seed and measures the test part: one dictionary of metrics per seed."""
    measured = []
    for seed in range(seeds):
        began = time.perf_counter()
        run = study.trial(values | {"seed": seed}, device)
        for _ in range(values["epochs"]):
            run.train_epoch()
        measured.append(run.evaluate(study.test_split(device)) | {"seconds": time.perf_counter() - began})
    return measured


def measure_minirocket(data: Dataset, with_validation: bool, seeds: int, threads: int) -> list[dict[str, Any]]:
    """Fits MiniRocket with each seed and measures the test part."""
    from aeon.classification.convolution_based import MiniRocketClassifier

    assert data.test is not None
    parts = [data.train, data.validation] if with_validation else [data.train]
    x, y = np.concatenate([part.x for part in parts]), np.concatenate([part.y for part in parts])
    classes, measured = len(data.class_names), []
    MiniRocketClassifier(n_jobs=threads).fit(
        x[:4], np.arange(len(x[:4])) % 2
    )  # its first fit compiles for half a minute
    for seed in range(seeds):
        began = time.perf_counter()
        model = MiniRocketClassifier(random_state=seed, n_jobs=threads).fit(x, y)
        predicted = model.predict(data.test.x)
        confusion = confusion_matrix(data.test.y, predicted, classes)
        measured.append(scores(confusion)._asdict() | {"seconds": time.perf_counter() - began})
    return measured


def measure(path: Path, study: ShapeActionStudy, values: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """All classifiers of one configuration."""
    data = study.dataset
    assert data.test is not None
    ours = measure_ours(study, values, options.seeds, options.device)
    rows = [
        {"classifier": title, "fitted_on": "train"}
        | {what: [m[f"{name}_{what}"] for m in ours] for what in ("accuracy", "macro_f1")}
        | {"seconds": [m["seconds"] for m in ours]}
        for name, title in OURS.items()
    ]
    for with_validation in (False, True):
        rocket = measure_minirocket(data, with_validation, options.seeds, options.threads or 1)
        row = {"classifier": "MiniRocket", "fitted_on": "train + validation" if with_validation else "train"}
        rows.append(row | {key: [m[key] for m in rocket] for key in ("accuracy", "macro_f1", "seconds")})
    return {
        "configuration": str(path),
        "dataset": data.name,
        "classes": list(data.class_names),
        "recordings": {name: len(getattr(data, name).x) for name in ("train", "validation", "test")},
        "epochs": values["epochs"],
        "method": values["method"],
        "codebook_size": values["codebook_size"],
        "metrics": {name: [m[name] for m in ours] for name in KEPT_METRICS},
        "rows": rows,
    }


def run(options: argparse.Namespace, progress: Console) -> dict[str, Any]:
    """Measures every configuration; the result is what `--json` writes."""
    began = time.perf_counter()
    studies = [open_study(path) for path in options.configurations]  # a bad one is named before any work
    if options.threads:
        torch.set_num_threads(options.threads)
    measured = []
    for path, (study, values) in zip(options.configurations, studies, strict=True):
        progress.print(f"{path}: {values['epochs']} epochs, {options.seeds} seeds")
        threads = {"threads": options.threads} if options.threads else {}
        measured.append(measure(path, study, values | threads, options))
    found = versions(with_reference=False) | {name: metadata.version(name) for name in ("aeon", "scikit-learn")}
    return {
        "benchmark": "classifiers",
        "device": options.device,
        "seeds": options.seeds,
        "versions": found,
        "machine": machine(torch.device(options.device)),
        "configurations": measured,
        "seconds": time.perf_counter() - began,
    }


def table(measured: dict[str, Any]) -> Table:
    """One configuration: a line per classifier, mean and deviation over the seeds."""
    n = measured["recordings"]
    title = f"{measured['configuration']}: {measured['dataset']}, test part, {n['test']} recordings, "
    title += f"{len(measured['classes'])} classes"
    lines = Table(title=title, caption=f"{n['train']} recordings in train, {n['validation']} in validation")
    for column in ("classifier", "fitted on"):
        lines.add_column(column)
    for column in ("accuracy", "macro-F1", "seconds"):
        lines.add_column(column, justify="right")
    for row in measured["rows"]:
        seconds = f"{statistics.median(row['seconds']):.1f}"
        figures = (_mean_and_spread(row[key]) for key in ("accuracy", "macro_f1"))
        lines.add_row(row["classifier"], row["fitted_on"], *figures, seconds)
    return lines


def _mean_and_spread(values: list[float]) -> str:
    mean = f"{statistics.fmean(values):.3f}"
    return f"{mean} ± {statistics.stdev(values):.3f}" if len(values) > 1 else mean


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    return run_benchmark(
        "classifiers.py", lambda: parse(arguments), run, lambda result: [table(one) for one in result["configurations"]]
    )


if __name__ == "__main__":
    sys.exit(main())
