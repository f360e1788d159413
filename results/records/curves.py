"""Read `curves.csv`, the one record that is large: a row per trial and epoch, numbers but for the trial.

Blocks of lines go through Arrow's parser, which is exact and refuses lines of another length; a block that it does not
take is read line by line, which names what is damaged.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow
from pyarrow import csv

from results.exceptions import DamagedLine, RecordError
from results.records.append_table import cut_off, parse_content, read_lines
from results.records.files import Damage, LeftOut, refuse
from results.records.tables import CURVE_COLUMNS
from results.records.text import parsed

BLOCK_BYTES = 4_000_000
EMPTY = pd.DataFrame({name: np.empty(0, dtype=object if name == "trial" else float) for name in CURVE_COLUMNS})


class Header(NamedTuple):
    """The columns of a file, and which of them are wanted, in the file's order."""

    names: tuple[str, ...]
    wanted: tuple[str, ...]


def parse_curves(
    path: Path, damage: Damage = refuse, metrics: Collection[str] | None = None
) -> tuple[pd.DataFrame, str]:
    """Read a file of curves, as `read_content` does; of the metrics that there are these alone, None for all.

    Returns:
        Trial as text, all else as floats, NaN where not measured; and one line about a last line that was cut off, ""
        where there is none.

    Raises:
        RecordError: The file cannot be read, or its header does not begin with `CURVE_COLUMNS`.
    """
    complete, tail = read_lines(path)
    names = parse_content(path, complete.partition(b"\n")[0], refuse).header
    if names and names[: len(CURVE_COLUMNS)] != CURVE_COLUMNS:
        raise RecordError(f"{path}, line 1: expected {', '.join(CURVE_COLUMNS)} first; restore the header")
    header = Header(names, tuple(n for n in names if n in CURVE_COLUMNS or metrics is None or n in metrics))
    blocks = [_block(path, header, block, line, damage) for block, line in _blocks(complete)]
    frame = _frame(path, header, b"", 2, refuse) if names else EMPTY
    frame = pd.concat(blocks, ignore_index=True) if blocks else frame
    return frame, cut_off(path, tail, len(frame))


def read_for_report(path: Path, left_out: LeftOut, metrics: Collection[str]) -> pd.DataFrame:
    """Read a file of curves, whatever state it is in; what is lost is noted, and a file that cannot be read is empty.

    A third of the time to read all metrics is that of those which no report shows.
    """
    try:
        frame, cut = parse_curves(path, left_out, metrics)
    except RecordError as error:
        left_out.say(f"{error}; the report has no learning curves")
        return EMPTY
    left_out.say(cut)
    return frame


def _blocks(complete: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the lines below the header in blocks, each with the number of its first line."""
    begin, line = complete.find(b"\n") + 1, 2
    while 0 < begin < len(complete):
        end = complete.find(b"\n", begin + BLOCK_BYTES)
        block = complete[begin : end if end >= 0 else len(complete)]
        yield block, line
        begin += len(block) + 1
        line += block.count(b"\n") + 1


def _block(path: Path, header: Header, block: bytes, first_line: int, damage: Damage) -> pd.DataFrame:
    if b'"' not in block and block.count(b"\r") == block.count(b"\r\n"):  # to Arrow, a lone one ends a line too
        try:
            table = csv.read_csv(
                pyarrow.BufferReader(block),
                read_options=csv.ReadOptions(column_names=list(header.names)),
                parse_options=csv.ParseOptions(quote_char=False),
                convert_options=csv.ConvertOptions(
                    include_columns=list(header.wanted),
                    column_types={n: pyarrow.string() if n == "trial" else pyarrow.float64() for n in header.wanted},
                    null_values=["", "nan"],
                ),
            )
        except pyarrow.ArrowInvalid:  # a line of another length, or a cell that is no number: see which
            pass
        else:
            return pd.DataFrame({name: table[name].to_numpy() for name in header.wanted})
    return _frame(path, header, block, first_line, damage)


def _frame(path: Path, header: Header, block: bytes, first_line: int, damage: Damage) -> pd.DataFrame:
    """Read a block line by line."""
    content = parse_content(path, block, damage, header.names, first_line)
    numeric = [name for name in header.wanted if name != "trial"]
    trials, numbers = [], []
    for row, line in zip(content.rows, content.lines, strict=True):
        try:
            numbers.append([parsed(name, row[name], float) if row[name] else math.nan for name in numeric])
            trials.append(row["trial"])
        except ValueError as error:
            damage(DamagedLine(path, line, str(error), "correct or delete the line"))
    frame = pd.DataFrame(np.array(numbers, dtype=float).reshape(len(trials), len(numeric)), columns=numeric)
    frame.insert(header.wanted.index("trial"), "trial", np.array(trials, dtype=object))
    return frame
