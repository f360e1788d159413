"""Makes an `.npz` file of somebody's recordings: `python -m model.dataset pamap2|ucihar|csv DIR OUT.npz`.

What is written has gone through the checks of `model.dataset.loading` first, so that a file that is there can be
trained on.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click
import yaml
from rich.progress import track
from rich.table import Table

from model.command import PATH, at_most_one, console, run_command
from model.dataset.formats.csv_folder import read_csv_recordings
from model.dataset.formats.pamap2 import DEFAULT_COLUMNS, PLACES, SENSORS, read_pamap2
from model.dataset.formats.ucihar import read_ucihar
from model.dataset.loading import Dataset, make_dataset
from model.dataset.npz import write_npz
from model.dataset.recordings import ConvertedSet
from model.dataset.sources import DataError
from model.files import replacing


@click.group("python -m model.dataset", no_args_is_help=False)
def convert() -> None:
    """Make an .npz file of recordings, to be named in a space file."""


def _converter(function: Callable[..., int]) -> click.Command:
    """Return a command of `convert` that takes the folder and the file to write."""
    for add in (
        click.option("--force", is_flag=True, help="replace OUT.npz if it is there"),
        click.argument("out", type=PATH, metavar="OUT.npz"),
        click.argument("folder", type=PATH, metavar="DIR"),
    ):
        function = add(function)
    made: click.Command = convert.command()(function)
    return made


@_converter
@click.option(
    "--columns",
    multiple=True,
    default=DEFAULT_COLUMNS,
    metavar="NAME",
    help=f"of {' '.join(PLACES)} and {' '.join(SENSORS)} (default {' '.join(DEFAULT_COLUMNS)}); 'hand mag' in quotes "
    "adds just that",
)
@click.option("--window", type=click.IntRange(2), default=100, help="samples of a window (default 100)")
@click.option("--step", type=click.IntRange(1), default=22, help="samples between windows' starts (default 22)")
@click.option("--rate-divisor", type=click.IntRange(1), default=3, help="of 100 samples per second (default 3)")
@click.option(
    "--reduction",
    type=click.Choice(["every", "mean"]),
    default="every",
    help="take every third sample, as is usual with this data (default), or the mean of three",
)
@click.option(
    "--longest-gap", type=click.IntRange(0), default=20, help="missing samples, of 100 per second, to fill (default 20)"
)
def pamap2(folder: Path, out: Path, force: bool, columns: Sequence[str], **options: Any) -> int:
    """Convert the unpacked PAMAP2 archive: windows of one activity, subjects as groups."""
    return _convert(out, force, lambda track: read_pamap2(folder, list(columns), **options, track=track))


@_converter
def ucihar(folder: Path, out: Path, force: bool) -> int:
    """Convert the unpacked UCI-HAR archive: its windows and its test part, subjects as groups."""
    return _convert(out, force, lambda track: read_ucihar(folder, track=track))


@_converter
@click.option("--labels", type=PATH, metavar="FILE", help="the label table (default DIR/labels.csv)")
@click.option("--time", metavar="NAME", help="column that is the time in seconds, and no channel")
@click.option("--rate", "rate_hz", type=float, metavar="HZ", help="samples per second; default: by the time, if any")
@click.option("--length", type=click.IntRange(2), metavar="N", help="resample every recording to N samples")
@click.option("--window", type=click.IntRange(2), metavar="N", help="cut every recording into windows of N samples")
@click.option("--step", type=click.IntRange(1), metavar="M", help="samples between windows' starts (default N)")
def csv(folder: Path, out: Path, force: bool, labels: Path | None, **options: Any) -> int:
    """Convert a folder of one CSV file per recording, with a label table."""
    at_most_one(length=options["length"], window=options["window"])
    rate = options["rate_hz"]
    if rate is not None and not 0.0 < rate < math.inf:
        raise DataError(f"--rate: expected a number above 0, got {rate:g}")
    if options["step"] is not None and options["window"] is None:
        raise DataError("--step: means nothing without --window")
    return _convert(out, force, lambda track: read_csv_recordings(folder, labels, **options, track=track))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code: also 1 for a file that cannot be opened or written."""
    return run_command(convert, arguments, bad_input=DataError, failed=OSError, several=("--columns",))


def _convert(out: Path, force: bool, read: Callable[[Any], ConvertedSet]) -> int:
    if out.suffix != ".npz":
        raise DataError(f"{out}: the file to write is called NAME.npz")
    if out.is_dir():
        raise DataError(f"{out}: is a folder")
    if out.exists() and not force:
        raise DataError(f"{out}: is there already; --force replaces it")
    screen = console()
    watched = functools.partial(
        track, description="reading", console=screen, transient=True, disable=not screen.is_terminal
    )
    converted = read(watched)
    name = str(out)
    train = converted.train._replace(file=name)
    test = None if converted.test is None else converted.test._replace(file=f"{name} (X_test)")
    dataset = make_dataset(out.stem, train, test, length="native")
    with replacing(out) as part:
        write_npz(part, converted.train, converted.test)
    screen.print(_table(dataset))
    for line in _account(converted, dataset):
        print(line)
    source = yaml.safe_dump({"npz": str(out.resolve())}, default_flow_style=True, allow_unicode=True, width=10**6)
    print(f"{out} is written; in a space or configuration file:\n  data: {source.strip()}")
    return 0


def _table(dataset: Dataset) -> Table:
    """Count the recordings of each class, as a training run with the default split sees them."""
    parts = {"training": dataset.train, "validation": dataset.validation, "test": dataset.test}
    table = Table("class", *parts, "together")
    for column in table.columns[1:]:
        column.justify = "right"
    rows = {
        name: [int((part.y == index).sum()) for part in parts.values() if part is not None]
        for index, name in enumerate(dataset.class_names)
    }
    for name, counts in rows.items():
        table.add_row(name, *(f"{count:,}" for count in [*counts, sum(counts)]))
    sums = [sum(column) for column in zip(*rows.values(), strict=True)]
    table.add_section()
    table.add_row("recordings", *(f"{count:,}" for count in [*sums, sum(sums)]))
    if groups := [part.groups for part in parts.values() if part is not None and part.groups is not None]:
        numbers = [len(set(of_part)) for of_part in groups]
        table.add_row("groups", *(str(number) for number in [*numbers, sum(numbers)]))
    return table


def _account(converted: ConvertedSet, dataset: Dataset) -> Iterable[str]:
    rate = "" if dataset.rate_hz is None else f" at {dataset.rate_hz:.4g} per second"
    channels = ", ".join(dataset.channel_names)
    yield f"{len(dataset.channel_names)} channels of {dataset.native_length} samples{rate}: {channels}"
    held = "validation is" if converted.test is not None else "validation and test are"
    yield f"{held} held out by the default split; data.validation_fraction and data.split_seed change it"
    for what, count in converted.left_out.items():
        if count:
            yield f"left out: {what}: {count:,}"
    yield from converted.remarks


if __name__ == "__main__":
    sys.exit(main())
