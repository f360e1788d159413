"""A user's own classes, by the names that a space file gives them."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Mapping
from typing import Any, TypeVar

from search.exceptions import one_line

Made = TypeVar("Made")


def made(name: str, kind: type[Made], arguments: Mapping[str, Any], offered: Mapping[str, Any] | None = None) -> Made:
    """Return an object of a class that is named as `module:class`.

    Args:
        name: The class.
        kind: What the object has to be.
        arguments: By name, for the class.
        offered: More of them, each for a class that takes one of this name.

    Raises:
        ValueError: It cannot be made, or is of another kind; the message says why.
    """
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
        taken = inspect.signature(found).parameters if offered else ()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as that an interface is experimental
            instance = found(**arguments, **{key: value for key, value in (offered or {}).items() if key in taken})
    except (Exception, SystemExit) as error:  # a module and a class may raise whatever they like
        raise ValueError(f"{name} cannot be made: {type(error).__name__}: {one_line(error)[:200]}") from error
    if not isinstance(instance, kind):
        raise ValueError(f"{name} is no {kind.__name__} of {kind.__module__.partition('.')[0]}")
    return instance
