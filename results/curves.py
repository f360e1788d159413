"""Owns reading `curves.csv`, the one record that is large: a row per trial and epoch, numbers but for the trial.

Blocks of lines go through pandas' parser, exactly (`float_precision="round_trip"`); a block that it does not take, or
in which a line lacks cells, is read line by line, which names what is damaged.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from results.append_table import parse_content, read_bytes, split_tail, truncation_message
from results.damage import Damage, DamagedLine, LeftOut, refuse
from results.errors import RecordError
from results.trial_table import CURVE_COLUMNS

BLOCK_BYTES = 4_000_000
KEYS = ("trial", "epoch")
EMPTY = pd.DataFrame({name: np.empty(0, dtype=object if name == "trial" else float) for name in CURVE_COLUMNS})


def parse_curves(path: Path, damage: Damage = refuse) -> tuple[pd.DataFrame, str]:
    """Read a file of curves.

    Args:
        path: The file; a missing one reads as an empty one.
        damage: Told of every complete line that does not fit. If it returns, the line is left out.

    Returns:
        Trial as text, all else as floats, NaN where not measured; and one line about a last line that was cut off, ""
        where there is none.

    Raises:
        RecordError: The file cannot be read, or its header does not name trial and epoch.
    """
    complete, tail = split_tail(read_bytes(path))
    head = parse_content(path, complete.partition(b"\n")[0], "", refuse)
    if head.header:
        absent = [name for name in KEYS if name not in head.header]
        if absent or (damage is refuse and head.header[: len(CURVE_COLUMNS)] != CURVE_COLUMNS):
            raise RecordError(f"{path}, line 1: expected {', '.join(CURVE_COLUMNS)} first; restore the header")
    blocks = [_block(path, head.header, block, line, damage) for block, line in _blocks(complete)]
    frame = pd.concat(blocks, ignore_index=True) if blocks else EMPTY[: 0 if head.header else None]
    if not blocks and head.header:
        frame = _frame(path, head.header, b"", 2, refuse)
    if not tail:
        return frame, ""
    rows = head._replace(rows=[{}] * len(frame), tail=tail)
    return frame, truncation_message(path, rows)


def read_for_report(path: Path, left_out: LeftOut) -> pd.DataFrame:
    """Read a file of curves, whatever state it is in; what is lost is noted.

    Returns:
        As `parse_curves`; with every column of `CURVE_COLUMNS`.
    """
    try:
        frame, cut = parse_curves(path, left_out)
    except RecordError as error:
        left_out.say(f"{error}; the report has no learning curves")
        return EMPTY
    if cut:
        left_out.say(cut)
    if "seconds" not in frame:
        left_out.say(f"{path}: no column seconds, as an older version may have written it; read as not measured")
        frame = frame.assign(seconds=math.nan)
    return frame[[*CURVE_COLUMNS, *(name for name in frame.columns if name not in CURVE_COLUMNS)]]


def _blocks(complete: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the lines below the header in blocks, each with the number of its first line."""
    begin, line = complete.find(b"\n") + 1, 2
    while 0 < begin < len(complete):
        end = complete.find(b"\n", begin + BLOCK_BYTES)
        block = complete[begin : end if end >= 0 else len(complete)]
        yield block, line
        begin += len(block) + 1
        line += block.count(b"\n") + 1


def _block(path: Path, header: tuple[str, ...], block: bytes, first_line: int, damage: Damage) -> pd.DataFrame:
    if b'"' not in block:
        try:
            frame = pd.read_csv(
                io.BytesIO(block),
                names=list(header),
                dtype={name: str if name == "trial" else float for name in header},
                keep_default_na=False,
                na_values={name: ["", "nan"] for name in header if name != "trial"},
                float_precision="round_trip",
            )
        except (ValueError, UnicodeDecodeError):  # pandas' ParserError is a ValueError
            pass
        else:
            # The parser fills a short line up with missing values, without a word: then there are too few commas.
            if block.count(b",") == len(frame) * (len(header) - 1):
                return frame.assign(trial=frame["trial"].to_numpy(dtype=object))
    return _frame(path, header, block, first_line, damage)


def _frame(path: Path, header: tuple[str, ...], block: bytes, first_line: int, damage: Damage) -> pd.DataFrame:
    """Read a block line by line."""
    content = parse_content(path, block, "", damage, header, first_line)
    rows = []
    for row, line in zip(content.rows, content.lines, strict=True):
        try:
            rows.append([_number(name, row[name]) for name in header if name != "trial"])
        except ValueError as error:
            damage(DamagedLine(path, line, str(error), "correct or delete the line"))
            rows.append([])
    trials = [row["trial"] for row, values in zip(content.rows, rows, strict=True) if values]
    numbers = np.array([values for values in rows if values], dtype=float).reshape(len(trials), len(header) - 1)
    frame = pd.DataFrame(numbers, columns=[name for name in header if name != "trial"])
    frame.insert(header.index("trial"), "trial", np.array(trials, dtype=object))
    return frame


def _number(name: str, text: str) -> float:
    try:
        return float(text) if text else math.nan
    except ValueError as error:
        raise ValueError(f"{name}: {text!r} does not fit ({error})") from error
