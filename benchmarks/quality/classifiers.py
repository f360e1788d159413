"""How well the frozen features of trained configurations classify, beside simple features and MiniRocket.

    python -m benchmarks.quality.classifiers runs/tradeoff/best/knee
    python -m benchmarks.quality.classifiers one.yaml two.yaml --seeds 5 --json classifiers.json

Each configuration is trained with the seeds 0, 1, …, in place of its own, without a search. Then linear classifiers on
its token features, on its code histograms and on both pooled (`model/evaluation/downstream.py`) are fitted on the
training split and measured on the test part. So are two that need no model: on histograms of the k-means shapes that
draw the pieces of each channel, and on the deviation of each channel before it was normalised.

MiniRocket (Dempster et al. 2021, as aeon has it) sees the same recordings, resampled and normalised alike: once the
same training split, once with the validation split added to it, which our model has been given neither to train nor to
fit.
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
from benchmarks.quality.kmeans import DrawnPieces, draw_pieces, kmeans_of_pieces
from benchmarks.quality.report import figure, spread
from model.configuration.reading import read_configuration
from model.dataset.loading import Dataset
from model.evaluation.downstream import confusion, confusion_matrix, features, scores
from model.evaluation.evaluate import collect, frozen_features
from model.network.batch import Batch
from model.study import ShapeActionStudy
from model.training.run import ShapeActionRun

OURS = {
    "token": "linear on tokens",
    "histogram": "linear on code histograms",
    "pooled": "linear on mean tokens and code histograms",
}
KEPT_METRICS = (  # of the test part, beside the accuracies
    *("stitch_fvu", "line_fvu", "action_kl_ratio", "token_kl_ratio", "class_oracle_ratio", "within_class_kl_ratio"),
    "key_agreement",
)


@benchmark("python -m benchmarks.quality.classifiers")
@click.argument("configurations", type=PATH, nargs=-1, required=True, metavar="CONFIG.yaml...")
@click.option("--seeds", type=POSITIVE, default=3, metavar="N", help="seeds 0 to N - 1 (default 3)")
@JSON
@DEVICE
@click.option("--threads", type=POSITIVE, metavar="N", help="CPU threads of everything")
def main(**given: Any) -> int:
    """Fit linear classifiers on frozen features, beside simple ones and MiniRocket."""
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
    measured, test = [], study.test_split(device)
    assert test is not None
    for seed in range(seeds):
        began = time.perf_counter()
        run = study.trial(values | {"seed": seed}, device)
        for _ in range(values["epochs"]):
            run.train_epoch()
        both = fit_linear(study.split_of(run.configuration), pooled(run, run.train), pooled(run, test))
        both = {f"pooled_{name}": value for name, value in both.items()}
        measured.append(run.evaluate(test) | both | {"seconds": time.perf_counter() - began})
    return measured


def pooled(run: ShapeActionRun, split: Batch) -> np.ndarray:
    """Return `(recordings, features)`: token features in the mean over the tokens of each row, and code histograms."""
    seen = collect(run.model, split)
    of, recordings, tokens = frozen_features(run.model, seen), len(seen.tokens), seen.start.shape[1]
    rows = seen.tokens.shape[1] // tokens
    means = of.token.reshape(recordings, rows, tokens, -1).mean(2)
    return np.concatenate([means.reshape(recordings, -1), of.histogram], axis=1)


def measure_kmeans(data: Dataset, values: dict[str, Any], seeds: int) -> list[dict[str, Any]]:
    """Cluster the pieces of the training split with each seed, and classify by how often each shape draws a piece."""
    assert data.test is not None
    train, test = (torch.from_numpy(np.ascontiguousarray(part.x)) for part in (data.train, data.test))
    tokens, samples = (values["architecture"][name] for name in ("tokens", "shape_samples"))

    def histogram(drawn: DrawnPieces, recordings: int) -> np.ndarray:
        numbers = torch.stack([drawn.offset, drawn.scale], dim=-1)
        return features(drawn.shapes.numpy(), drawn.codes.numpy(), numbers.numpy(), recordings).histogram

    measured = []
    for seed in range(seeds):
        began = time.perf_counter()
        learnt = kmeans_of_pieces(train, tokens, values["codebook_size"], seed, samples)
        seen = draw_pieces(test, learnt.shapes, tokens)
        found = fit_linear(data, histogram(learnt, len(train)), histogram(seen, len(test)))
        measured.append(found | {"seconds": time.perf_counter() - began})
    return measured


def measure_level(data: Dataset) -> list[dict[str, Any]]:
    """Classify by the deviation of each channel alone; no seed has a part in it."""
    assert data.test is not None
    began = time.perf_counter()
    return [fit_linear(data, data.train.scale, data.test.scale) | {"seconds": time.perf_counter() - began}]


def fit_linear(data: Dataset, train: np.ndarray, test: np.ndarray) -> dict[str, float]:
    """Fit a linear classifier on features `(recordings, features)` of the training split and measure the test part."""
    assert data.test is not None
    return scores(confusion(train, data.train.y, test, data.test.y, len(data.class_names)))._asdict()


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
    others = [
        ("linear on k-means histograms", "train", measure_kmeans(data, values, options.seeds)),
        ("linear on level alone", "train", measure_level(data)),
    ]
    for fitted_on in ("train", "train + validation"):
        rocket = measure_minirocket(data, fitted_on != "train", options.seeds, options.threads or 1)
        others.append(("MiniRocket", fitted_on, rocket))
    for title, fitted_on, measured in others:
        row = {"classifier": title, "fitted_on": fitted_on}
        rows.append(row | {key: [m[key] for m in measured] for key in ("accuracy", "macro_f1", "seconds")})
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
