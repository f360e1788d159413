"""Recordings in an ``.npz`` file of plain arrays: reading and writing."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from model.dataset.recordings import RawPart
from model.dataset.sources import DataError

NPZ_KEYS = ("X", "y", "labels", "groups", "X_test", "y_test", "groups_test", "channels", "rate_hz")


def read_npz(path: Path) -> tuple[RawPart, RawPart | None]:
    """Read ``X (recordings, channels, length)``, ``y`` and the optional arrays of an ``.npz`` file.

    ``y`` holds class names, or integers, which index ``labels`` (the class names) where that is given and are names
    themselves where not. ``groups`` holds one integer or name per recording. ``X_test``, ``y_test`` and ``groups_test``
    are the test part. ``channels`` holds one name per channel and ``rate_hz`` the samples per second, of both parts.

    Returns:
        The training part, and the test part or None.

    Raises:
        DataError: The file is missing or cannot be used.
    """
    arrays = _load_arrays(path)
    missing = [key for key in ("X", "y") if key not in arrays]
    unknown = [key for key in arrays if key not in NPZ_KEYS]
    if missing or unknown:
        problem = f"missing {', '.join(missing)}" if missing else f"unknown {', '.join(unknown)}"
        raise DataError(
            f"{path}: {problem}; it holds {', '.join(arrays) or 'nothing'}, expected X, y and optionally "
            f"{', '.join(NPZ_KEYS[2:])}"
        )
    if ("X_test" in arrays) != ("y_test" in arrays) or ("groups_test" in arrays and "X_test" not in arrays):
        raise DataError(f"{path}: X_test and y_test belong together, and groups_test to them")
    class_names = _class_names(arrays["labels"], path) if "labels" in arrays else None
    train = _npz_part(path, arrays, "", class_names)
    test = _npz_part(path, arrays, "_test", class_names) if "X_test" in arrays else None
    channels, rate_hz = _channels(arrays, train.x.shape[1], path), _rate_hz(arrays, path)
    if test is not None:
        test = test._replace(channels=channels, rate_hz=rate_hz)
    return train._replace(channels=channels, rate_hz=rate_hz), test


def read_unlabelled(path: Path) -> tuple[list[tuple[str, np.ndarray]], tuple[str, ...] | None]:
    """Read the recordings alone: `X`, and `X_test` where it is there; classes may be there or not.

    Returns:
        Parts, each with what stands before its recordings' numbers ("" or "test ") and float64 (recordings, channels,
        length), and the names of the channels or None.

    Raises:
        DataError: The file is missing or cannot be used.
    """
    arrays = _load_arrays(path)
    if "X" not in arrays:
        raise DataError(f"{path}: missing X (recordings, channels, length); it holds {', '.join(arrays) or 'nothing'}")
    parts = [("", _numbers(path, arrays, "X"))]
    if "X_test" in arrays:
        parts.append(("test ", _numbers(path, arrays, "X_test")))
    return parts, _channels(arrays, parts[0][1].shape[1], path)


def write_npz(path: Path, train: RawPart, test: RawPart | None) -> None:
    """Write what `read_npz` reads, X as float32, classes and groups by name.

    The same recordings give the same bytes: the arrays lie in the file as they are, and carry no date.
    """
    arrays: dict[str, np.ndarray] = {}
    for part, suffix in ((train, ""), (test, "_test")):
        if part is None:
            continue
        arrays |= {f"X{suffix}": part.x.astype(np.float32, copy=False), f"y{suffix}": np.array(part.labels)}
        if part.groups is not None:
            arrays[f"groups{suffix}"] = part.groups
    if train.channels is not None:
        arrays["channels"] = np.array(train.channels)
    if train.rate_hz is not None:
        arrays["rate_hz"] = np.array(train.rate_hz)
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _load_arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise DataError(f"no such file: {path}")
    try:
        file = np.load(path, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise DataError(f"{path}: an .npz file was expected, not a single array: use np.savez(path, X=X, y=y)")
        with file:
            return {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, DataError):
            raise
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path}: not an .npz file of plain arrays ({reason}): save numbers and strings, no objects"
        ) from error


def _npz_part(path: Path, arrays: dict[str, np.ndarray], suffix: str, class_names: tuple[str, ...] | None) -> RawPart:
    key = f"X{suffix}"
    x = _numbers(path, arrays, key)
    names = _names(arrays[f"y{suffix}"], f"y{suffix}", len(x), path)
    if class_names is not None:
        names = _look_up(names, class_names, f"y{suffix}", path)
    groups = arrays.get(f"groups{suffix}")
    if groups is not None:
        groups = np.array(_names(groups, f"groups{suffix}", len(x), path))
    return RawPart(str(path) if not suffix else f"{path} ({key})", x, names, groups)


def _numbers(path: Path, arrays: dict[str, np.ndarray], key: str) -> np.ndarray:
    """Return the recordings under a key, float64."""
    x = arrays[key]
    if x.ndim != 3:
        raise DataError(f"{path}: {key} must be (recordings, channels, length), got {x.shape}; one channel: X[:, None]")
    if x.dtype.kind not in "iuf":
        raise DataError(f"{path}: {key} must hold numbers, got {x.dtype}")
    return x.astype(np.float64)


def _names(values: np.ndarray, key: str, recordings: int, path: Path) -> tuple[str, ...]:
    """Return one name per recording: strings as they are, whole numbers as their digits."""
    if values.shape != (recordings,):
        raise DataError(f"{path}: {key} must have one entry per recording, ({recordings},), got {values.shape}")
    if values.dtype.kind == "f":
        broken = np.flatnonzero(~np.isfinite(values) | (values != np.floor(values)))
        if len(broken):
            raise DataError(f"{path}: {key} of recording {broken[0]} is {values[broken[0]]}, not a whole number")
        values = values.astype(np.int64)
    if values.dtype.kind not in "iuU":
        raise DataError(f"{path}: {key} must hold integers or strings, got {values.dtype}")
    return tuple(str(value) for value in values)


def _class_names(labels: np.ndarray, path: Path) -> tuple[str, ...]:
    if labels.ndim != 1 or labels.dtype.kind != "U" or len(set(labels.tolist())) < len(labels):
        raise DataError(f"{path}: labels must be a list of different class names, got {labels.tolist()}")
    return tuple(str(label) for label in labels)


def _channels(arrays: dict[str, np.ndarray], channels: int, path: Path) -> tuple[str, ...] | None:
    if "channels" not in arrays:
        return None
    names = arrays["channels"]
    if names.shape != (channels,) or names.dtype.kind != "U":
        raise DataError(
            f"{path}: channels must hold the names of the {channels} channels of X, got {names.dtype} {names.shape}"
        )
    listed = [str(name) for name in names]
    if wrong := [name for name in listed if not name.strip() or listed.count(name) > 1]:
        raise DataError(f"{path}: channels must be different names, none empty; got {wrong[0]!r}")
    return tuple(listed)


def _rate_hz(arrays: dict[str, np.ndarray], path: Path) -> float | None:
    if "rate_hz" not in arrays:
        return None
    rate = arrays["rate_hz"]
    if rate.shape != () or rate.dtype.kind not in "iuf" or not np.isfinite(rate) or rate <= 0:
        raise DataError(f"{path}: rate_hz must be one number above 0, the samples per second, got {rate.tolist()}")
    return float(rate)


def _look_up(names: tuple[str, ...], class_names: tuple[str, ...], key: str, path: Path) -> tuple[str, ...]:
    if set(names) <= set(class_names):
        return names
    known = {str(index): name for index, name in enumerate(class_names)}
    for index, name in enumerate(names):
        if name not in known:
            raise DataError(
                f"{path}: {key} of recording {index} is {name}, but labels names {len(class_names)} classes "
                f"(0 to {len(class_names) - 1})"
            )
    return tuple(known[name] for name in names)
