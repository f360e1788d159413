"""Reading ``.ts`` files and UEA/UCR data sets by name, through aeon, which is imported only then."""

from __future__ import annotations

import difflib
import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np

from model.dataset.archives import parse_number
from model.dataset.recordings import RawPart
from model.dataset.sources import DataError


def find_named(name: str, extract_path: Path | None) -> tuple[Path, Path]:
    """Find, or let aeon download, the two ``.ts`` files of a UEA/UCR data set.

    Raises:
        DataError: They are not there and cannot be downloaded.
    """
    folder = extract_path or Path(os.environ.get("AEON_DATA", "~/aeon_data")).expanduser()
    folders = [folder] if extract_path is not None else [_inside_aeon(), folder]
    for candidate in folders:
        files = _pair(candidate / name, name)
        if all(file.is_file() for file in files):
            return files
    _download(name, folder)
    return _pair(folder / name, name)


def _pair(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"{name}_TRAIN.ts", folder / f"{name}_TEST.ts"


def _inside_aeon() -> Path:
    found = importlib.util.find_spec("aeon")
    if found is None or found.origin is None:
        raise DataError("the package aeon, which reads .ts files, is not installed: pip install aeon")
    return Path(found.origin).parent / "datasets" / "data"


def _download(name: str, folder: Path) -> None:
    from aeon.datasets import load_classification
    from aeon.datasets.tsc_datasets import multivariate, univariate

    train_file, test_file = _pair(folder / name, name)
    try:
        load_classification(name, split="train", extract_path=str(folder))
    except (OSError, ValueError) as error:
        close = difflib.get_close_matches(name, [*univariate, *multivariate], n=1)
        hint = f" (did you mean {close[0]}?)" if close and close[0] != name else ""
        raise DataError(
            f"data set {name}{hint} is neither there nor could aeon download it ({_one_line(error)}): "
            f"place its files as {train_file} and {test_file.name}, or give train_ts and test_ts"
        ) from error


def read_ts(path: Path) -> RawPart:
    """Read one ``.ts`` file through aeon, the class names spelt as in its header (aeon gives lower case).

    Refused: time stamps (aeon's parser drops the sign of such values), regression targets, unequal lengths.

    Raises:
        DataError: The file is missing or cannot be used.
    """
    if not path.is_file():
        raise DataError(f"no such file: {path}")
    header = _header(path)
    spelling = _class_spelling(header, path)
    _check_sizes(header, path)
    from aeon.datasets import load_from_ts_file

    try:
        data, y = load_from_ts_file(str(path))
    except (OSError, ValueError, IndexError) as error:
        raise DataError(f"{path}: {_first_fault(path) or _one_line(error)}") from error
    for index, label in enumerate(y):
        if str(label).lower() not in spelling:
            known = " ".join(spelling.values())
            raise DataError(f"{path}: recording {index} is of class {label}, which @classLabel does not list ({known})")
    labels = tuple(spelling[str(label).lower()] for label in y)
    return RawPart(str(path), _equal_lengths(data, path), labels, None)


def _header(path: Path) -> dict[str, list[str]]:
    """Return the words of each line that starts with @, by its lower-case first word."""
    header: dict[str, list[str]] = {}
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            key, *words = line.split() or [""]
            if key.lower() == "@data":
                return header
            if key.startswith("@"):
                header[key.lower()] = words
    raise DataError(f"{path}: not a .ts file: the line @data is missing")


def _class_spelling(header: dict[str, list[str]], path: Path) -> dict[str, str]:
    """Return the header's class names by their lower-case form."""

    def says(key: str) -> bool:
        return [word.lower() for word in header.get(key, [])[:1]] == ["true"]

    if says("@timestamps"):
        raise DataError(f"{path}: time stamps are not supported: write plain values and @timeStamps false")
    names = header.get("@classlabel", [])[1:]
    if not says("@classlabel") or not names or says("@targetlabel"):
        raise DataError(f"{path}: no class labels: a line '@classLabel true NAME NAME ...' is needed")
    spelling = {name.lower(): name for name in names}
    if len(spelling) < len(set(names)):
        raise DataError(f"{path}: class names that differ only by case cannot be told apart: {' '.join(names)}")
    return spelling


def _check_sizes(header: dict[str, list[str]], path: Path) -> None:
    """Refuse a header that says something else than its first recording, which one of the two got wrong."""
    with path.open(encoding="utf-8", errors="replace") as file:
        lines = enumerate(map(str.strip, file), start=1)
        next(line for _, line in lines if line.lower() == "@data")
        number, first = next(((number, line) for number, line in lines if line), (0, ""))
    if not first:
        raise DataError(f"{path}: no data: there is no recording behind @data")
    channels = [part.split(",") for part in first.split(":")[:-1]]
    if not channels:
        return  # told by what reads the whole of it
    place, samples = f"{path}, line {number}", len(channels[0])
    univariate = (header.get("@univariate") or [""])[0].lower()
    if univariate == "true" and len(channels) > 1:
        raise DataError(
            f"{place}: {len(channels)} channels, but the header says @univariate true: correct one of the two"
        )
    for key, name, found in (("@dimensions", "channels", len(channels)), ("@seriesLength", "samples", samples)):
        said = (header.get(key.lower()) or [""])[0]
        if not said.isdecimal() or int(said) in (0, found):
            continue
        commas = name == "samples" and found == 2 * int(said)
        hint = "are decimals written with commas? Write points" if commas else "correct one"
        raise DataError(f"{place}: {found} {name}, but the header says {key} {said}: {hint}")


def _first_fault(path: Path) -> str | None:
    """Look for what aeon stumbled over, since aeon counts from 1 or names no recording; None if nothing shows."""
    with path.open(encoding="utf-8", errors="replace") as file:
        lines = [line.strip() for line in file]
    start = [line.lower() for line in lines].index("@data") + 1
    expected: tuple[int, int] | None = None
    for index, line in enumerate(lines[start:]):
        channels = [channel.split(",") for channel in line.split(":")[:-1]]
        if not channels:
            return f"recording {index} (line {start + index + 1}) is empty or has no class label: remove blank lines"
        for channel, values in enumerate(channels):
            if broken := [value for value in values if value.strip() != "?" and parse_number(value) is None]:
                return f"recording {index}, channel {channel}: {broken[0]!r} is not a number"
            expected = expected or (len(channels), len(values))
            if (len(channels), len(values)) != expected:
                return (
                    f"recording {index} has {len(channels)} channels and {len(values)} samples in channel "
                    f"{channel}, but recording 0 has {expected[0]} and {expected[1]}: bring them to one length"
                )
    return None


def _equal_lengths(data: Any, path: Path) -> np.ndarray:
    lengths = [case.shape[-1] for case in data]
    for index, length in enumerate(lengths):
        if length != lengths[0]:
            raise DataError(
                f"{path}: recording {index} has {length} samples but recording 0 has {lengths[0]}: "
                "cut, pad or resample them to one length"
            )
    return np.array(data, dtype=np.float64)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
