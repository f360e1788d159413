"""Finding the folder that matters in an archive that somebody unpacked, one level up or down from where it was said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from model.dataset.sources import DataError


def find_folder(given: Path, inner: Sequence[str], holds: str) -> Path:
    """Finds a folder by what it holds.

    Args:
        given: What the user named: the folder itself, one around it, or one around all of the archive.
        inner: The archive's folders, outermost first, such as ("PAMAP2_Dataset", "Protocol").
        holds: Pattern of a file inside the innermost of them.

    Raises:
        DataError: It is not there; says what was expected.
    """
    wanted = "/".join((*inner, holds))
    if not given.is_dir():
        problem = "is a file: unpack the archive and give its folder" if given.exists() else "no such folder"
        raise DataError(f"{given}: {problem} (expected in it: {wanted})")
    folders = [given.joinpath(*inner[start:]) for start in range(len(inner) + 1)]
    folders += sorted(folder.joinpath(*inner) for folder in given.iterdir() if folder.is_dir())
    for folder in folders:
        if any(folder.glob(holds)):
            return folder
    packed = sorted(file.name for file in given.glob("*.zip"))
    hint = f"; {packed[0]} is still packed: unpack it first" if packed else ""
    raise DataError(f"{given}: {wanted} is not there: give the folder of the unpacked archive{hint}")
