"""Makes an `.npz` file of somebody's recordings: `python -m model.dataset pamap2|ucihar|csv DIR OUT.npz`.

What is written has gone through the checks of `model.dataset.loading` first, so that a file that is there can be
trained on.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.progress import track
from rich.table import Table

from model.command import run_command
from model.dataset.csv_folder import read_csv_recordings
from model.dataset.loading import Dataset, make_dataset
from model.dataset.npz import write_npz
from model.dataset.pamap2 import DEFAULT_COLUMNS, PLACES, SENSORS, read_pamap2
from model.dataset.recordings import ConvertedSet
from model.dataset.sources import DataError
from model.dataset.ucihar import read_ucihar
from model.files import replacing


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit code: 0, 1 for a file that cannot be opened or written, 2 for input that cannot be used, 130 after
        Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    return run_command(lambda: _convert(options), bad_input=DataError, failed=OSError)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model.dataset", description="Make an .npz file of recordings, to be named in a space file."
    )
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="pamap2|ucihar|csv")
    for kind, add_options, about in (
        ("pamap2", _add_pamap2, "the unpacked PAMAP2 archive: windows of one activity, subjects as groups"),
        ("ucihar", None, "the unpacked UCI-HAR archive: its windows and its test part, subjects as groups"),
        ("csv", _add_csv, "a folder of one CSV file per recording, with a label table"),
    ):
        one = kinds.add_parser(kind, help=about, description=f"Convert {about}.")
        one.add_argument("folder", type=Path, metavar="DIR", help="where the files are")
        one.add_argument("out", type=Path, metavar="OUT.npz", help="the file to write")
        one.add_argument("--force", action="store_true", help="replace OUT.npz if it is there")
        if add_options is not None:
            add_options(one)
    return parser


def _add_pamap2(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--columns",
        nargs="+",
        default=list(DEFAULT_COLUMNS),
        metavar="NAME",
        help=f"of {' '.join(PLACES)} and {' '.join(SENSORS)} (default {' '.join(DEFAULT_COLUMNS)}); "
        "'hand mag' in quotes adds just that",
    )
    parser.add_argument("--window", type=_at_least(2), default=100, help="samples of a window (default 100)")
    parser.add_argument("--step", type=_at_least(1), default=22, help="samples between windows' starts (default 22)")
    parser.add_argument("--rate-divisor", type=_at_least(1), default=3, help="of 100 samples per second (default 3)")
    parser.add_argument(
        "--reduction",
        choices=("every", "mean"),
        default="every",
        help="take every third sample, as is usual with this data (default), or the mean of three",
    )
    parser.add_argument(
        "--longest-gap", type=_at_least(0), default=20, help="missing samples, of 100 per second, to fill (default 20)"
    )


def _add_csv(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--labels", type=Path, help="the label table (default DIR/labels.csv)")
    parser.add_argument("--time", metavar="NAME", help="column that is the time in seconds, and no channel")
    parser.add_argument("--rate", type=_rate, metavar="HZ", help="samples per second; default: by the time, if any")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--length", type=_at_least(2), metavar="N", help="resample every recording to N samples")
    shape.add_argument("--window", type=_at_least(2), metavar="N", help="cut every recording into windows of N samples")
    parser.add_argument("--step", type=_at_least(1), metavar="M", help="samples between windows' starts (default N)")


def _convert(options: argparse.Namespace) -> int:
    out: Path = options.out
    if out.suffix != ".npz":
        raise DataError(f"{out}: the file to write is called NAME.npz")
    if out.is_dir():
        raise DataError(f"{out}: is a folder")
    if out.exists() and not options.force:
        raise DataError(f"{out}: is there already; --force replaces it")
    console = Console()
    watched = functools.partial(
        track, description="reading", console=console, transient=True, disable=not console.is_terminal
    )
    converted = _read(options, watched)
    name = str(out)
    train = converted.train._replace(file=name)
    test = None if converted.test is None else converted.test._replace(file=f"{name} (X_test)")
    dataset = make_dataset(out.stem, train, test, length="native")
    with replacing(out) as part:
        write_npz(part, converted.train, converted.test)
    console.print(_table(dataset))
    for line in _account(converted, dataset):
        print(line)
    source = yaml.safe_dump({"npz": str(out.resolve())}, default_flow_style=True, allow_unicode=True, width=10**6)
    print(f"{out} is written; in a space or configuration file:\n  data: {source.strip()}")
    return 0


def _read(options: argparse.Namespace, watched: Any) -> ConvertedSet:
    if options.kind == "pamap2":
        return read_pamap2(
            options.folder,
            options.columns,
            window=options.window,
            step=options.step,
            rate_divisor=options.rate_divisor,
            reduction=options.reduction,
            longest_gap=options.longest_gap,
            track=watched,
        )
    if options.kind == "ucihar":
        return read_ucihar(options.folder, track=watched)
    if options.step is not None and options.window is None:
        raise DataError("--step: means nothing without --window")
    return read_csv_recordings(
        options.folder,
        options.labels,
        time=options.time,
        rate_hz=options.rate,
        length=options.length,
        window=options.window,
        step=options.step,
        track=watched,
    )


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
    groups = [part.groups for part in parts.values() if part is not None and part.groups is not None]
    if groups:
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


def _at_least(low: int) -> Any:
    def whole_number(text: str) -> int:
        if not text.isdecimal() or int(text) < low:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {low}, got {text}")
        return int(text)

    return whole_number


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
    return value


if __name__ == "__main__":
    sys.exit(main())
