"""What a record may name, and where a run may write: a run folder may be a stranger's, and stays within itself.

A name that a record gives is a part of a path only if it is plain; a folder of a run, or a file that is taken home from
it, is not one that a link in the run folder leads to.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from results.exceptions import RecordError

LONGEST = 200  # bytes; file systems take 255, and what is being written has a longer name
SEPARATORS = frozenset("/\\")


def is_plain(name: str) -> bool:
    """Say whether a name is that of a file or a folder in the place where it is looked for, and nowhere else.

    Example:
        >>> [is_plain(name) for name in ("codes.csv", "..", "../codes.csv", "/codes.csv", "")]
        [True, False, False, False, False]
    """
    if not name.isprintable() or not SEPARATORS.isdisjoint(name):
        return False
    return name not in ("", ".", "..") and len(name.encode()) <= LONGEST


def plain_name(name: str) -> str:
    """Return a name that is plain.

    Raises:
        ValueError: It is not.
    """
    if not is_plain(name):
        raise ValueError(f"expected a plain name, of printing characters without / and \\, of {LONGEST} bytes at most")
    return name


PlainName = Annotated[str, AfterValidator(plain_name)]


def file_stem(name: str) -> str:
    """Return a name, such as a parameter's, as a part of a file's name; different names stay different."""
    stem = re.sub(r"[^\w.\-]", "_", name)
    if stem == name and len(name.encode()) <= LONGEST // 4:
        return name
    return f"{stem[:20]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def check_own(path: Path) -> None:
    """Refuse what has the place of a folder of a run, if there is anything; a link leads to what is not the run's.

    Raises:
        RecordError: It is a file or a link.
    """
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        what = "a link" if path.is_symlink() else "a file"
        raise RecordError(f"{path}: is {what} where a folder of the run belongs; move it away and rebuild the run")


def own_folder(path: Path) -> Path:
    """Return a folder of a run, made if it is missing.

    Raises:
        RecordError: A file or a link has its place.
    """
    check_own(path)
    path.mkdir(exist_ok=True)
    return path


def leads_out(path: Path, folder: Path) -> bool:
    """Say whether links lead from a path in a folder to a place outside of it, or nowhere."""
    try:
        return not path.resolve(strict=True).is_relative_to(folder.resolve())
    except (OSError, RuntimeError):
        return True
