"""What unpacked archives have in common: the folder that matters, and tables of numbers in text files.

Numbers are read by fast parsers, which seldom say where they stumbled; `find_fault` is the slow way that does.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from model.dataset.sources import DataError

BLOCK_BYTES = 1 << 24


def find_folder(given: Path, inner: Sequence[str], holds: str) -> Path:
    """Find a folder by what it holds.

    `given` is what the user named: the folder itself, one around it, or one around all of the archive; `inner` the
    archive's folders, outermost first, such as ("PAMAP2_Dataset", "Protocol"); `holds` the pattern of a file inside the
    innermost of them.

    Raises:
        DataError: It is not there; says what was expected.
    """
    wanted = "/".join((*inner, holds))
    if not given.is_dir():
        problem = "is a file: unpack the archive and give its folder" if given.exists() else "no such folder"
        raise DataError(f"{given}: {problem} (expected in it: {wanted})")
    folders = [given.joinpath(*inner[start:]) for start in range(len(inner) + 1)]
    folders += sorted(folder.joinpath(*inner) for folder in given.iterdir() if folder.is_dir())
    for folder in folders:
        if any(folder.glob(holds)):
            return folder
    packed = sorted(file.name for file in given.glob("*.zip"))
    hint = f"; {packed[0]} is still packed: unpack it first" if packed else ""
    raise DataError(f"{given}: {wanted} is not there: give the folder of the unpacked archive{hint}")


def read_numbers(
    file: Path, columns: int, used: Sequence[int] | None = None, may_miss: Collection[int] = ()
) -> np.ndarray:
    """Read a table whose columns are parted by blanks and that has no header: float64, (lines, columns that are used).

    numpy's parser, not pandas': that one takes the missing end of a line for NaN and Ctrl-C for a broken file. Every
    line has so many columns; those `used` are read, counted from 0 (None reads all), and those in `may_miss` may be
    NaN.

    Raises:
        DataError: Names the line and column of what is no number.
    """
    if used is not None:  # then the parser does not look at the length of a line
        _check_columns(file, columns)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an empty file: said below
            values = np.loadtxt(file, usecols=used, comments=None, ndmin=2, encoding="utf-8")
        kept = range(columns) if used is None else used
        usable = np.isfinite(values) | (np.isnan(values) & np.isin(kept, list(may_miss)))
        if values.shape[1] == len(kept) and len(values) and usable.all():
            return values
        problem = "is empty" if not len(values) else f"has {values.shape[1]} columns, expected {columns}"
    except ValueError as error:
        problem = " ".join(str(error).split())
    raise DataError(f"{file}: {find_fault(split_lines(file), columns, used, may_miss) or problem}")


def split_lines(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the words of each line that has any, with its number counted from 1."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if words := line.split():
                yield number, words


def _check_columns(file: Path, columns: int) -> None:
    """Check that every line has so many words: another format, or a copy that was cut off.

    Raises:
        DataError: The file is empty, or names the first line that has not.
    """
    spaces = lines = 0
    last = b""
    with file.open("rb") as opened:
        while block := opened.read(BLOCK_BYTES):
            spaces += block.count(b" ")
            lines += block.count(b"\n")
            last = block[-1:]
    if not last:
        raise DataError(f"{file}: is empty")
    if spaces == (lines + (last != b"\n")) * (columns - 1):
        return
    # Either a line is wrong or words are not parted by single spaces.
    for number, words in split_lines(file):
        if len(words) != columns:
            raise DataError(f"{file}: line {number} has {len(words)} columns, expected {columns}")


def find_fault(
    lines: Iterable[tuple[int, list[str]]],
    columns: int | Sequence[str],
    used: Collection[int] | None = None,
    may_miss: Collection[int] = (),
) -> str | None:
    """Say what is the matter with the first line that is not as many finite numbers as there are columns.

    `lines` are numbers and words of each, `columns` how many or their names; `used` ones are looked at, counted from 0
    (None looks at all), and those that `may_miss` may be NaN. The answer is such as "line 7, column acc x: 'abc' is not
    a number", or None where nothing is the matter.
    """
    names = [str(number + 1) for number in range(columns)] if isinstance(columns, int) else list(columns)
    for number, words in lines:
        if len(words) != len(names):
            return f"line {number} has {len(words)} columns, expected {len(names)}"
        for column in range(len(names)) if used is None else used:
            value = parse_number(words[column])
            if value is None:
                got = f"{words[column]!r} is not a number" if words[column].strip() else "nothing is there"
                return f"line {number}, column {names[column]}: {got}"
            if not math.isfinite(value) and not (math.isnan(value) and column in may_miss):
                return f"line {number}, column {names[column]}: {words[column].strip()} is not a finite number"
    return None


def parse_number(text: str) -> float | None:
    """Read a number; None where the text is none."""
    try:
        return float(text)
    except ValueError:
        return None
