"""How long `python -m results` takes on a large run: `python -m benchmarks.report.results_speed`.

Makes a run folder of N trials in the form that a search records (metrics, learning curves and bytes per row like those
of `spaces/tradeoff.yaml`), rebuilds it in a new process, and says where the time went.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rich.console import Console
from rich.table import Table

from benchmarks.command_line import OneLineParser, check_json, positive, run_benchmark
from results import aggregate
from results.aggregate import rebuild
from results.records.files import csv_lines
from results.records.tables import CURVE_COLUMNS, TRIAL_COLUMNS
from results.records.text import cell

ROOT = Path(__file__).parents[2]
START = datetime(2026, 1, 2, tzinfo=UTC)
TITLE_WIDTH = 100
EVALUATED_EVERY = 5  # epochs, as the search chooses for 48
JUDGED = ("stitch_fvu", "action_kl_ratio", "target_information", "token_specificity", "code_perplexity_share")
WINDOWS = ("window_samples", "covered_fraction")
OTHERS = tuple(f"measured_{number}" for number in range(25))
LOSSES = tuple(f"loss_{number}" for number in range(13))


def make_run(folder: Path, trials: int, epochs: int, replicates: int, rng: np.random.Generator) -> None:
    """Writes a run folder.

    Args:
        folder: Where to; made.
        trials: Rows of `trials.csv`.
        epochs: Rows of `curves.csv` per trial.
        replicates: Seeds of every point.
        rng: Draws everything.
    """
    folder.mkdir(parents=True)
    document = yaml.safe_load((ROOT / "spaces" / "tradeoff.yaml").read_text(encoding="utf-8"))
    (folder / "space.yaml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    points = [_parameters(document["parameters"], rng) for _ in range(-(-trials // replicates))]
    metrics = (*JUDGED, *WINDOWS, *OTHERS)
    with (folder / "trials.csv").open("w", encoding="utf-8") as table:
        table.write(csv_lines([(*TRIAL_COLUMNS, *document["parameters"], *sorted(metrics))]))
        with (folder / "curves.csv").open("w", encoding="utf-8") as curves:
            curves.write(csv_lines([(*CURVE_COLUMNS, *sorted((*metrics, *LOSSES)))]))
            for number in range(trials):
                point = points[number % len(points)]
                measured = dict(zip(sorted(metrics), _metrics(sorted(metrics), point, rng), strict=True))
                table.write(csv_lines([_row(number, epochs, point, measured)]))
                curves.write(csv_lines(_curve(number, epochs, measured, rng)))
                home = folder / "trials" / str(number)
                home.mkdir(parents=True)
                (home / "configuration.yaml").write_text(f"seed: {number}\n", encoding="utf-8")
                (home / "model.safetensors").write_bytes(b"weights")


def _parameters(parameters: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    drawn: dict[str, Any] = {}
    for name, described in parameters.items():
        if described["type"] == "choice":
            drawn[name] = described["values"][rng.integers(len(described["values"]))]
        elif described["type"] == "int":
            drawn[name] = int(rng.integers(described["low"], described["high"] + 1))
        else:
            drawn[name] = float(rng.uniform(described["low"], described["high"]))
    return drawn


def _metrics(names: Iterable[str], point: dict[str, Any], rng: np.random.Generator) -> list[float]:
    """A convex trade along `action_weight`, with noise; every guard is kept by most."""
    weight, away = point["action_weight"], rng.exponential(0.1)
    known = {
        "stitch_fvu": 0.2 + 0.5 * weight**2.5 + away,
        "action_kl_ratio": 0.1 + 0.8 * (1 - weight) ** 2 + away * rng.uniform(0.2, 0.8),
        "code_perplexity_share": rng.uniform(0.9, 3.0),
        "window_samples": rng.uniform(12.0, 40.0),
        "covered_fraction": 0.98,
    }
    return [float(known.get(name, rng.uniform(0.1, 1.0))) for name in names]


def _row(number: int, epochs: int, point: dict[str, Any], measured: dict[str, float]) -> list[str]:
    started = START + timedelta(seconds=13.0 * number)
    times = (started, started + timedelta(seconds=0.5), started + timedelta(seconds=25))
    kept = ("failed", "loss is nan at epoch 3") if number % 50 == 49 else ("finished", "")
    values = [number, *kept, number, epochs, number % 2, 25.25, *times, *point.values(), *measured.values()]
    return [cell(value) for value in values]


def _curve(number: int, epochs: int, measured: dict[str, float], rng: np.random.Generator) -> Iterable[list[str]]:
    columns = sorted((*measured, *LOSSES))
    for epoch in range(1, epochs + 1):
        evaluated = epoch == epochs or epoch % EVALUATED_EVERY == 0
        scale = 1 + (epochs - epoch) / epochs
        losses = dict(zip(LOSSES, (rng.uniform(0.5, 1.5, len(LOSSES)) * scale).tolist(), strict=True))
        values = {**losses, **({name: value * scale for name, value in measured.items()} if evaluated else {})}
        yield [str(number), str(epoch), repr(0.5 * epoch), *(cell(values.get(name)) for name in columns)]


def measure(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Seconds of one command in a new process, and of its parts under the profiler of this one."""
    check_json(options.json)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "large"
        console.print(f"making {options.trials} trials")
        make_run(folder, options.trials, options.epochs, options.replicates, np.random.default_rng(0))
        megabytes = {name: (folder / name).stat().st_size / 1e6 for name in ("trials.csv", "curves.csv")}
        command = [sys.executable, "-m", "results", str(folder)]
        seconds, processor = [], []
        for _ in range(options.repeats):
            began, used = time.perf_counter(), _children_s()
            subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - began)
            processor.append(_children_s() - used)
            console.print(f"{seconds[-1]:.2f} s, of a processor {processor[-1]:.2f} s")
        parts = _parts(folder) if options.profile else {}
        report = (folder / "report.html").stat().st_size / 1e6
    return {
        "trials": options.trials,
        "epochs": options.epochs,
        "replicates": options.replicates,
        "seconds": statistics.median(seconds),
        "processor_s": statistics.median(processor),
        "megabytes": {**megabytes, "report.html": report},
        "parts": parts,
    }


def _children_s() -> float:
    """Seconds of a processor that ended processes have used: what a busy machine does not change."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _parts(folder: Path) -> dict[str, float]:
    """Seconds spent below the functions of `results`, the slowest first; profiling itself slows them down."""
    aggregate.MANY_TRIALS = sys.maxsize  # all of it in this process
    profile = cProfile.Profile()
    profile.runcall(rebuild, folder)
    found = {}
    for (path, _, function), timing in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        file = Path(path)
        if file.parent.name == "results" and not function.startswith("<"):
            found[f"{file.stem}.{function}"] = timing[3]
    return dict(sorted(found.items(), key=lambda item: -item[1])[:25])


def tables(result: dict[str, Any]) -> Iterable[Table]:
    """The time, and where it went."""
    size = ", ".join(f"{name} {size:.1f} MB" for name, size in result["megabytes"].items())
    took = f"{result['seconds']:.2f} s, of a processor {result['processor_s']:.2f} s"
    table = Table(title=f"{result['trials']} trials: {took} ({size})", title_justify="left", min_width=TITLE_WIDTH)
    table.add_column("under the profiler")
    table.add_column("s", justify="right")
    for name, seconds in result["parts"].items():
        table.add_row(name, f"{seconds:.2f}")
    yield table


def options() -> argparse.Namespace:
    parser = OneLineParser(prog="python -m benchmarks.report.results_speed", description=__doc__)
    parser.add_argument("--trials", type=positive, default=5000)
    parser.add_argument("--epochs", type=positive, default=48, help="per trial (48)")
    parser.add_argument("--replicates", type=positive, default=1, help="seeds of every point (1)")
    parser.add_argument("--repeats", type=positive, default=3, help="the median is shown (3)")
    parser.add_argument("--profile", action="store_true", help="also say where the time goes")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(run_benchmark("results_speed", options, measure, tables))
