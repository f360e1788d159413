"""Owns that what several outputs show of one run is worked out once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

Function = TypeVar("Function", bound=Callable[..., Any])


def once(function: Function) -> Function:
    """Keep what a function returns for an object and further arguments, which hash, as long as the object lives.

    The first argument tells objects apart by identity. What is returned is shared: nobody may change it.
    """
    known: WeakKeyDictionary[Any, dict[tuple[Any, ...], Any]] = WeakKeyDictionary()

    @wraps(function)
    def remembered(subject: Any, *arguments: Any) -> Any:
        found = known.setdefault(subject, {})
        if arguments not in found:
            found[arguments] = function(subject, *arguments)
        return found[arguments]

    return remembered  # type: ignore[return-value]
