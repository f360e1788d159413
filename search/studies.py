"""The class of a study, found by the name that a space file gives."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from search.exceptions import one_line
from search.protocol import Study
from search.space.reading import SpaceError

STUDY_MEMBERS = ("metrics", "resolve", "check", "provenance", "trial")


def import_study(name: str, file: Path) -> type[Study]:
    """Import the class that a space file names as `module:class`.

    Its module is looked for where Python looks, in the working folder and beside the space file.

    Raises:
        SpaceError: There is no such module or class.
    """
    module_name, class_name = name.split(":")
    for folder in import_folders(file):
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        # A module may raise whatever it likes while it is imported; each time the name of it is the user's to correct.
        raise SpaceError(
            f"{file}: study: cannot import {module_name!r}: {type(error).__name__}: {one_line(error)}"
            f"{_hidden(module_name)}"
        ) from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        raise SpaceError(f"{file}: study: there is no class {class_name!r} in {module_name!r}")
    absent = [member for member in STUDY_MEMBERS if not hasattr(found, member)]
    if absent:
        raise SpaceError(f"{file}: study: {name} is not a study, it has no {', '.join(absent)}")
    return found


def _hidden(module: str) -> str:
    """Return what hides a package, where a file in the working folder has its name; else ""."""
    package, _, inside = module.partition(".")
    if not inside or not (Path.cwd() / f"{package}.py").exists():
        return ""
    return f"; {package}.py in the working folder hides the package {package}, rename it"


def import_folders(file: Path) -> list[Path]:
    """Return where a study's module may lie besides Python's own places."""
    return [Path.cwd(), file.resolve().parent]
