"""Train one configuration without a search: `python -m model.train CONFIG.yaml`."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from model.command import PATH, console, run_command
from model.configuration.reading import ConfigurationError, read_configuration
from model.files import MODEL_FILE


class DivergedError(ArithmeticError):
    """A loss that is no finite number."""


@click.command("python -m model.train")
@click.argument("config", type=PATH)
@click.option("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")
@click.option("--out", type=PATH, metavar="FOLDER", help="for model.safetensors; without it nothing is written")
@click.option("--force", is_flag=True, help="replace a model that is there")
@click.option("--epochs", type=int, help="instead of the configuration's")
@click.option("--seed", type=int, help="instead of the configuration's")
@click.option("--test", is_flag=True, help="measure the test part too: for a final figure only")
def train(**options: Any) -> int:
    """Train one configuration: a YAML file, or a folder with one such as runs/tradeoff/best/knee."""
    return _train(SimpleNamespace(**options))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code."""
    return run_command(train, arguments, failed=(DivergedError, OSError))


def _check_out(out: Path, force: bool) -> None:
    """Refuse a place for the model that is of no use after the training.

    Raises:
        ConfigurationError: It is no folder, cannot be written, or has a model.
    """
    there = next(place for place in (out, *out.absolute().parents) if place.exists())
    if not there.is_dir():
        raise ConfigurationError(f"--out {out}: {there} is no folder; give another one")
    if not os.access(there, os.W_OK):
        raise ConfigurationError(f"--out {out}: {there} cannot be written; give another folder")
    if (out / MODEL_FILE).exists() and not force:
        raise ConfigurationError(f"--out {out}: has a {MODEL_FILE} already; --force replaces it")


def _train(options: SimpleNamespace) -> int:
    if options.out is not None:
        _check_out(options.out, options.force)
    configuration = read_configuration(options.config)
    values = configuration.model_dump(mode="json")
    values |= {k: getattr(options, k) for k in ("epochs", "seed") if getattr(options, k) is not None}

    from model.network.batch import find_device
    from model.study import ShapeActionStudy

    device = find_device(options.device)
    try:
        study = ShapeActionStudy(values)
        study.check(values)
    except ConfigurationError as error:
        raise ConfigurationError(f"{options.config}: {error}") from None
    run = study.trial(values, device)
    screen = console()
    began = time.perf_counter()
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    with Progress(*columns, console=screen, transient=True) as progress:
        task = progress.add_task(f"epochs on {device}", total=values["epochs"])
        for _ in range(values["epochs"]):
            losses = run.train_epoch()
            if not math.isfinite(losses["loss"]):
                raise DivergedError(
                    f"diverged: the loss is {losses['loss']} in epoch {run.epoch}; nothing was written, "
                    "try a smaller training.learning_rate"
                )
            progress.update(task, advance=1, description=f"epochs on {device}, loss {losses['loss']:.3f}")
    parts = {"validation": (run.evaluate(), run.intervals())}
    if options.test:
        split = study.test_split(device)
        if split is None:
            raise ConfigurationError(f"{options.config}: --test: the data has no test part")
        parts["test"] = (run.evaluate(split), run.intervals(split))
    screen.print(_table(parts))
    screen.print(f"{values['epochs']} epochs in {time.perf_counter() - began:.1f} s on {device}")
    if options.out is not None:
        run.export(options.out)
        screen.print(f"model written to {options.out / MODEL_FILE}")
    return 0


def _table(parts: dict[str, tuple[dict[str, float], dict[str, tuple[float, float]]]]) -> Table:
    """Return the metrics of each part, and the intervals of those that have them."""
    table = Table(Column("metric", no_wrap=True))
    for part in parts:
        table.add_column(part, justify="right", no_wrap=True)
        table.add_column("95 % over recordings", justify="right", min_width=11)
    for name in next(iter(parts.values()))[0]:
        cells = []
        for metrics, intervals in parts.values():
            low, high = intervals.get(name, (math.nan, math.nan))
            cells += [f"{metrics[name]:.4f}", "" if math.isnan(low) else f"{low:.3f}–{high:.3f}"]
        table.add_row(name, *cells)
    return table


if __name__ == "__main__":
    sys.exit(main())
