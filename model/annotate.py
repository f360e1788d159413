"""Annotate recordings with the tokens of a model: `python -m model.annotate FOLDER DATA --out CSV`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import numpy as np
from rich.progress import track

from model.command import PATH, console, run_command
from model.dataset.formats.unlabelled import AnnotationData, NamedRecording, channel_order, open_data
from model.dataset.sources import DataError
from model.files import write_table

if TYPE_CHECKING:
    from model.pretrained.shape_action import ShapeAction
    from model.pretrained.tokens import Tokens

HEADER = ("recording", "channel", "token", "start", "end", "code", "sub_action", "probability", "phrase")
ALL_CHANNELS = "all"  # of a token that describes every channel
PIECES_AT_ONCE = 64


class Piece(NamedTuple):
    """A window of a recording, or all of it: x (channels, samples), from sample `at` on, the `number`th of it."""

    recording: str
    number: int
    at: int
    x: np.ndarray


@click.command("python -m model.annotate")
@click.argument("folder")
@click.argument("data")
@click.option("--out", type=PATH, required=True, metavar="CSV", help="the file to write")
@click.option("--force", is_flag=True, help="replace the file if it is there")
@click.option("--time", metavar="NAME", help="column of CSV files that is the time, and no channel")
@click.option("--window", type=int, metavar="N", help="cut every recording into windows of N samples")
@click.option("--step", type=int, metavar="M", help="samples between windows' starts (default N)")
@click.option("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")
def annotate(**options: Any) -> int:
    """Write the tokens of recordings: a row per token with its window, its code and its sub-action.

    FOLDER is a model such as runs/tradeoff/best/knee, or a name on the hub; DATA an .npz, .ts or .csv file, a folder of
    CSV files, or a data set's name.
    """
    return _annotate(SimpleNamespace(**options))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code."""
    return run_command(annotate, arguments, failed=OSError)


def _annotate(options: SimpleNamespace) -> int:
    _check(options)
    data = open_data(options.data, options.time)

    from model.hub_weights import load_pretrained
    from model.network.batch import find_device
    from model.pretrained.shape_action import ShapeAction

    device = find_device(options.device)
    model = load_pretrained(
        options.folder, lambda place, local: ShapeAction.from_pretrained(place, local_files_only=local)
    ).to(device)
    screen = console(sys.stderr)
    watched = track(
        data.recordings, "annotating", data.total, console=screen, transient=True, disable=not screen.is_terminal
    )
    pieces = _pieces(_ordered(watched, data, model), options.window, options.step or options.window)
    rows = write_table(options.out, HEADER, _rows(model, pieces, data.file))
    print(f"{options.out} is written: {rows:,} tokens of {data.total:,} recordings")
    return 0


def _check(options: SimpleNamespace) -> None:
    out: Path = options.out
    if out.is_dir():
        raise DataError(f"--out {out}: is a folder")
    if out.exists() and not options.force:
        raise DataError(f"--out {out}: is there already; --force replaces it")
    read = [Path(options.data), *Path(options.folder).glob("*")]
    if out.exists() and any(file.exists() and out.samefile(file) for file in read) and not _is_ours(out):
        raise DataError(f"--out {out}: is what is read; give another file")
    if not out.parent.is_dir():
        raise DataError(f"--out {out}: there is no folder {out.parent}")
    for name, least in (("window", 2), ("step", 1)):
        value = getattr(options, name)
        if value is not None and value < least:
            raise DataError(f"--{name} {value}: expected {least} or more samples")
    if options.step is not None and options.window is None:
        raise DataError("--step: is for --window; give both, or neither")


def _is_ours(file: Path) -> bool:
    """Say whether a file is a table of tokens, or empty."""
    with file.open("rb") as content:
        first = content.readline(1000).decode("utf-8", "replace").strip()
    return first in ("", ",".join(HEADER))


def _ordered(
    recordings: Iterable[NamedRecording], data: AnnotationData, model: ShapeAction
) -> Iterator[NamedRecording]:
    """Yield the recordings with the channels of the model, and a warning where they may not be what they seem."""
    order, remark = channel_order(data, model.metadata["channels"])
    if remark:
        print(f"warning: {remark}", file=sys.stderr)
    for recording in recordings:
        yield recording if order is None else recording._replace(x=recording.x[order])


def _pieces(recordings: Iterable[NamedRecording], window: int | None, step: int | None) -> Iterator[Piece]:
    for name, x in recordings:
        if window is None or step is None:
            yield Piece(name, 0, 0, x)
            continue
        starts = range(0, x.shape[1] - window + 1, step)
        if not starts:
            raise DataError(f"recording {name} has {x.shape[1]} samples, fewer than --window {window}")
        for number, at in enumerate(starts):
            yield Piece(name, number, at, x[:, at : at + window])


def _rows(model: ShapeAction, pieces: Iterator[Piece], file: str) -> Iterator[tuple[object, ...]]:
    """Yield a row per token, as `HEADER` names its cells."""
    usual, warned = model.metadata.get("native_samples"), False
    while batch := list(islice(pieces, PIECES_AT_ONCE)):
        for (_, samples), neighbours in groupby(batch, key=lambda piece: piece.x.shape):
            alike = list(neighbours)
            if usual is not None and samples != usual and not warned:
                warned = True
                print(
                    f"warning: {file}: recording {alike[0].recording} is read as {samples} samples, those of training "
                    f"had {usual}: sub-actions were learnt at that duration (--window cuts longer recordings)",
                    file=sys.stderr,
                )
            try:
                tokens = model.tokenize(np.stack([piece.x for piece in alike]))
            except ValueError as error:
                raise DataError(f"{file}: {error}") from None
            chosen, probability = (part[..., 0] for part in tokens.alternatives.likeliest(tokens.probabilities))
            for number, piece in enumerate(alike):
                yield from _rows_of(piece, tokens, number, chosen[number], probability[number], model)


def _rows_of(
    piece: Piece, tokens: Tokens, number: int, chosen: np.ndarray, probability: np.ndarray, model: ShapeAction
) -> Iterator[tuple[object, ...]]:
    """Yield the rows of one piece, the `number`th of `tokens`, with its likeliest alternatives, `(rows, N)` each."""
    rows, each = tokens.codes.shape[1:]
    channels = model.metadata["channels"] if rows > 1 or model.network.channels_per_token == 1 else [ALL_CHANNELS]
    for row in range(rows):
        for n in range(each):
            at = number, row, n
            start = piece.at + float(tokens.start[at])
            sub_action = int(chosen[row, n])
            yield (
                piece.recording,
                channels[row],
                piece.number * each + n,
                f"{start:.2f}",
                f"{start + float(tokens.length[at]):.2f}",
                int(tokens.codes[at]),
                sub_action,
                f"{probability[row, n]:.4f}",
                tokens.alternatives.names[sub_action],
            )


if __name__ == "__main__":
    sys.exit(main())
