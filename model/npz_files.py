"""Reading recordings from an ``.npz`` file of plain arrays."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from model.data_sources import DataError
from model.raw_recordings import RawPart

NPZ_KEYS = ("X", "y", "labels", "groups", "X_test", "y_test", "groups_test")


def read_npz(path: Path) -> tuple[RawPart, RawPart | None]:
    """Reads ``X (recordings, channels, length)``, ``y`` and the optional arrays of an ``.npz`` file.

    Args:
        path: The file. ``y`` holds class names, or integers, which index ``labels`` (the class names) where
            that is given and are names themselves where not. ``groups`` holds one integer or name per
            recording. ``X_test``, ``y_test`` and ``groups_test`` are the test part.

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
    return train, test


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
    x, key = arrays[f"X{suffix}"], f"X{suffix}"
    if x.ndim != 3:
        raise DataError(f"{path}: {key} must be (recordings, channels, length), got {x.shape}; one channel: X[:, None]")
    if x.dtype.kind not in "iuf":
        raise DataError(f"{path}: {key} must hold numbers, got {x.dtype}")
    names = _names(arrays[f"y{suffix}"], f"y{suffix}", len(x), path)
    if class_names is not None:
        names = _look_up(names, class_names, f"y{suffix}", path)
    groups = arrays.get(f"groups{suffix}")
    if groups is not None:
        groups = np.array(_names(groups, f"groups{suffix}", len(x), path))
    return RawPart(str(path) if not suffix else f"{path} ({key})", x.astype(np.float64), names, groups)


def _names(values: np.ndarray, key: str, recordings: int, path: Path) -> tuple[str, ...]:
    """One name per recording: strings as they are, whole numbers as their digits."""
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
