"""What the parts of a space must have to do with one another."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from itertools import combinations
from typing import Any

from results.records.tables import name_trouble
from results.records.text import recorded
from search.space.parameters import Parameter


def check_names(parameters: Mapping[str, Parameter], judged: Collection[str]) -> None:
    """Refuse names that cannot be columns beside the metrics of the objectives, and a parameter inside another one.

    Raises:
        ValueError: With the dotted key first; so do all checks here.
    """
    for name in parameters:
        if trouble := name_trouble(name, judged):
            raise ValueError(f"parameters.{name}: {trouble}; rename it")
    for one, other in combinations(sorted(parameters), 2):
        if other.startswith(f"{one}."):
            raise ValueError(f"parameters.{other}: lies inside the parameter {one!r}; remove one of the two")


def check_fixed(fixed: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> None:
    """Refuse what cannot be recorded, is both fixed and searched, or stands where a section is searched."""
    if trouble := not_plain(fixed, "fixed"):
        raise ValueError(trouble)
    for name in parameters:
        if _has(fixed, name):
            raise ValueError(f"parameters.{name}: is also given under fixed; remove it from one of the two")
        value: Any = fixed
        *outer, _ = keys = name.split(".")
        for depth, key in enumerate(outer, start=1):
            value = value.get(key)
            if value is None:
                break
            if not isinstance(value, Mapping):
                section = ".".join(keys[:depth])
                raise ValueError(
                    f"fixed.{section}: is {value!r:.60}, but parameters.{name} sets a key inside of it; remove one of "
                    "the two"
                )


def check_start(points: Sequence[Mapping[str, Any]], parameters: Mapping[str, Parameter]) -> None:
    """Refuse a starting point outside the space, and a value that is not searched beside the others."""
    for number, point in enumerate(points):
        for name, value in point.items():
            if name not in parameters:
                close = get_close_matches(name, parameters, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"expected some of {', '.join(parameters)}"
                raise ValueError(f"start.{number}.{name}: is not searched; {hint}")
            if not parameters[name].has(value):
                raise ValueError(f"start.{number}.{name}: {value!r} is outside what is searched")
            for other, values in parameters[name].when.items():
                if recorded(point.get(other)) not in map(recorded, values):
                    needed = " or ".join(map(str, values))
                    has = f"but here it is {point[other]!r}" if other in point else "so give that too"
                    raise ValueError(f"start.{number}.{name}: is only searched where {other} is {needed}, {has}")


def not_plain(value: Any, place: str) -> str:
    """Return which value inside of one could not be recorded as it is, and why; "" if all can."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{place}: is {value}, which cannot be recorded; expected a finite number, or null"
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        inner = value.items()
        if strange := [key for key in value if not isinstance(key, str)]:
            return f"{place}: has the key {strange[0]!r}, which is no text; write it in quotes"
    elif isinstance(value, list | tuple):
        inner = enumerate(value)
    return next(filter(None, (not_plain(one, f"{place}.{key}") for key, one in inner)), "")


def check_conditions(parameters: Mapping[str, Parameter]) -> None:
    """Refuse a condition on something that is not searched before it, or on a value that never comes."""
    before: list[str] = []
    for name, parameter in parameters.items():
        for other, values in parameter.when.items():
            if other not in before:
                what = "stands behind it; put it first" if other in parameters else "is no parameter"
                raise ValueError(f"parameters.{name}: when: {other!r} {what}")
            known = parameters[other]
            if known.type not in ("choice", "int"):
                raise ValueError(f"parameters.{name}: when: {other!r} is no choice and no int, so it has no one value")
            strange = [value for value in values if not known.has(value)]
            if strange:
                hint = f"; for the list itself write [{recorded(list(values))}]" if known.has(list(values)) else ""
                raise ValueError(f"parameters.{name}: when: {other} is never {strange[0]!r}{hint}")
        before.append(name)


def _has(values: Any, dotted: str) -> bool:
    for key in dotted.split("."):
        if not isinstance(values, Mapping) or key not in values:
            return False
        values = values[key]
    return True
