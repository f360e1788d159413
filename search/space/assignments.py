"""Keys of a space file that the command line sets: `--set KEY=VALUE`.

A key is one of the study's configuration, with dots; it is fixed for the whole run, also where the file searches it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from search.space.reading import SpaceError, load_yaml

NULL = ("~", "null", "Null", "NULL")
PARTS = ("parameters", "fixed", "objectives", "guards", "sampler", "halving", "sweep", "budget", "resources", "hooks")
FILE_SUFFIXES = (".npz", ".ts", ".yaml", ".yml", ".json", ".csv")


def read_assignments(texts: Sequence[str], option: str = "--set", paths: bool = True) -> dict[str, Any]:
    """Read `KEY=VALUE`, the value as YAML, such as 16, native, or {npz: mine.npz}; return values by dotted key.

    Messages begin with the option that the texts belong to.

    Text that ends as the name of a file does, or names one in the working folder, becomes an absolute path: paths
    inside a space file are relative to that file, those of a command line to the working folder. Without `paths` it
    stays as it is written.

    Raises:
        SpaceError: There is no key, no value, the value is no YAML, or a key is given twice.
    """
    values: dict[str, Any] = {}
    for text in texts:
        key, equals, written = (part.strip() for part in text.partition("="))
        if not (key and equals and written) or not all(key.split(".")):
            raise SpaceError(f"{option} {text}: expected KEY=VALUE, such as codebook_size=16 or training.batch_size=8")
        if key in values:
            raise SpaceError(f"{option} {key}: is given twice; keep one")
        try:
            value = load_yaml(written)
            if value is None and written not in NULL:
                raise SpaceError(f"{option} {key}: {written!r} is a comment; put the value in quotes")
            values[key] = _from_here(value) if paths else value
        except yaml.YAMLError as error:
            problem = getattr(error, "problem", None) or "cannot be read"
            raise SpaceError(f"{option} {key}: {written!r} is not valid YAML: {problem}") from None
    return values


def assign(document: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the unchecked content of a space file with some dotted keys of the study's configuration fixed.

    Raises:
        SpaceError: A key leads into something that is not a mapping.
    """
    changed = copy.deepcopy(dict(document))
    for key, value in values.items():
        _check_is_of_the_study(document, key)
        _stop_searching(changed, key, value)
        place = changed.setdefault("fixed", {})
        path = ["fixed", *key.split(".")]
        for number, name in enumerate(path[1:], start=1):
            if not isinstance(place, dict):
                raise SpaceError(f"--set {key}: {'.'.join(path[:number])} has no keys inside; set it as a whole")
            if number == len(path) - 1:
                place[name] = value
            else:
                place = place.setdefault(name, {})
    return changed


def _check_is_of_the_study(document: Mapping[str, Any], key: str) -> None:
    part = key.partition(".")[0]
    known = [name for kept in ("fixed", "parameters") for name in (document.get(kept) or ())]
    if part in PARTS and not any(str(name).partition(".")[0] == part for name in known):
        other = "; --trials sets the number of trials" if part == "budget" else ""
        raise SpaceError(
            f"--set {key}: sets a key of the study's configuration, and {part} is a part of the space file: change it "
            f"there{other}"
        )


def inside(value: Any, dotted: str, absent: Any = None) -> Any:
    """Return a value inside of nested ones, "" for the whole; `absent` where there is none."""
    for key in dotted.split(".") if dotted else ():
        if not isinstance(value, Mapping) or key not in value:
            return absent
        value = value[key]
    return value


def _is_met(allowed: Any, value: Any) -> bool:
    return value in allowed if isinstance(allowed, list) else bool(value == allowed)


def _stop_searching(document: dict[str, Any], key: str, value: Any) -> None:
    """Take a key, and what lies inside it, out of the parameters, and a sweep of it out of the space.

    A condition on it that its value meets goes as well; what is searched under one that it does not meet is searched no
    more.
    """
    parameters, sweep = document.get("parameters"), document.get("sweep")
    if not isinstance(parameters, dict):
        return
    fixed = {name for name in parameters if name == key or str(name).startswith(f"{key}.")}
    left: dict[str, Any] = {}
    for name, entry in parameters.items():
        when = entry.get("when") if isinstance(entry, dict) else None
        conditions: dict[str, Any] = when if isinstance(when, dict) else {}
        decided = {other: ... for other in conditions if other in fixed}  # not set: what it is then is not known here
        for other in map(str, conditions):
            if other == key or other.startswith(f"{key}."):
                decided[other] = inside(value, other[len(key) + 1 :], absent=...)
        if any(not _is_met(conditions[other], found) for other, found in decided.items()):
            fixed.add(name)  # is searched under a condition that is never met now
        elif name not in fixed:
            open_ones = {other: values for other, values in conditions.items() if other not in decided}
            left[name] = {**entry, "when": open_ones} if decided else entry
    document["parameters"] = left
    start = document.get("start")
    if isinstance(start, list):
        document["start"] = [
            {name: held for name, held in point.items() if name not in fixed} if isinstance(point, dict) else point
            for point in start
        ]
    if isinstance(sweep, dict) and sweep.get("parameter") in fixed:
        del document["sweep"]


def _from_here(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _from_here(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_from_here(inner) for inner in value]
    with suppress(OSError):  # a text that is too long for a name is none
        if isinstance(value, str) and (Path(value).suffix in FILE_SUFFIXES or Path(value).is_file()):
            return str(Path(value).resolve())
    return value
