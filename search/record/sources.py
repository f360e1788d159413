"""The code that a run brings to the nodes of a cluster, and by whose digest its results are known.

That is everything of this project and of the study, wherever it lies, and whatever else they import or have loaded from
folders that are no part of the Python installation. The nodes need Python with the packages installed, not the code.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

OWN = ("search", "results")
INSTALLED = frozenset({"site-packages", "dist-packages"})


def sources(study: type) -> list[str]:
    """Return the package folders and module files that workers need for a study's class, each once."""
    wanted = {*OWN, study.__module__.partition(".")[0]}
    found = imported(study.__module__.partition(".")[0])
    for name, module in sorted(sys.modules.items()):
        if "." in name or name == "__main__":
            continue
        place = _place(getattr(module, "__file__", None), getattr(module, "__path__", None))
        if place is not None and (name in wanted or not _is_installed(place)):
            found.append(place)
    return [str(place) for place in dict.fromkeys(found)]


def imported(top: str) -> list[Path]:
    """Return where a top-level module is, and all that it imports from outside of the Python installation.

    Imports are read from the sources, those inside of functions included, so that the answer does not depend on what
    has been loaded.

    Returns:
        Package folders and module files, sorted by the modules' names, without the search's own packages. `top` itself
        may be installed.
    """
    found: dict[str, Path | None] = {}
    waiting = [top]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = place = None if name in OWN else _find(name)
        if place is None or (_is_installed(place) and name != top):
            found[name] = None
            continue
        for file in source_files(place):
            waiting += _imports(file)
    return [place for _, place in sorted(found.items()) if place is not None]


def source_files(place: Path) -> list[Path]:
    """Return the Python files of a package folder, or the module file itself; hidden ones are an editor's."""
    found = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    return [file for file in found if not file.name.startswith(".") and file.is_file()]


def _imports(file: Path) -> Iterator[str]:
    """Yield the top-level modules that a file imports by name."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # never imported either
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _find(name: str) -> Path | None:
    """Return the place of a top-level module without loading it; None where there is none."""
    if name in sys.modules:
        module = sys.modules[name]
        return _place(getattr(module, "__file__", None), getattr(module, "__path__", None))
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    return _place(spec.origin, spec.submodule_search_locations) if spec else None


def _is_installed(place: Path) -> bool:
    standard = Path(sysconfig.get_path("stdlib")).resolve()
    return place.is_relative_to(standard) or not INSTALLED.isdisjoint(place.parts)


def _place(file: str | None, folders: Iterable[str] | None) -> Path | None:
    """Return a module's file, or the folder of a package; None for what is built in or has several places."""
    if isinstance(folders, Iterable):
        found = list(folders)
        return Path(found[0]).resolve() if len(found) == 1 else None
    return Path(file).resolve() if file and file.endswith(".py") else None
