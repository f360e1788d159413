"""The code that a run brings to the nodes of a cluster.

That is everything of this project and of the study, wherever it lies, and whatever else they have loaded from folders
that are no part of the Python installation. The nodes need Python with the packages installed, not the code.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

OWN = ("search", "results")
INSTALLED = frozenset({"site-packages", "dist-packages"})


def sources(study: type) -> list[str]:
    """Return the package folders and module files that workers need for a study's class, each once."""
    wanted = {*OWN, study.__module__.partition(".")[0]}
    found = []
    for name, module in sorted(sys.modules.items()):
        if "." in name or name == "__main__":
            continue
        place = _place(module)
        if place is not None and (name in wanted or not _is_installed(place)):
            found.append(str(place))
    return list(dict.fromkeys(found))


def _is_installed(place: Path) -> bool:
    standard = Path(sysconfig.get_path("stdlib")).resolve()
    return place.is_relative_to(standard) or not INSTALLED.isdisjoint(place.parts)


def _place(module: ModuleType) -> Path | None:
    """Return a module's file, or the folder of a package; None for what is built in or has several places."""
    path = getattr(module, "__path__", None)
    if isinstance(path, Iterable):
        folders = list(path)
        return Path(folders[0]).resolve() if len(folders) == 1 else None
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if file and file.endswith(".py") else None
