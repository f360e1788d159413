"""The way back from a mirror: a run folder that is made again on a machine that lost it, or never had it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from search.exceptions import one_line, redacted
from search.record.mirror import LEFT_OUT, PIECE_BYTES, MirrorError, files_in, open_place
from search.record.run_folder import SPACE_FILE


def fetch_run(folder: Path, url: str, tell: Callable[[str], object], filesystem: Any = None) -> None:
    """Make a run folder of what is mirrored at a URL, whole or not at all; it is not there yet, or empty.

    `tell` is given a line before the first file is copied. A `filesystem` of pyarrow's stands in for the URL's; `url`
    is then a path in it.

    Raises:
        MirrorError: There is no run, or something of it cannot be copied.
    """
    shown, file = redacted(url), ""
    draft = folder.with_name(f".{folder.name}-{uuid4().hex}")
    try:
        filesystem, base = open_place(url, filesystem)
        sizes = {name: size for name, size in files_in(filesystem, base).items() if _is_mirrored(name)}
        if SPACE_FILE not in sizes:
            raise MirrorError(f"--mirror {shown}: holds no run to go on with; give the place that one was mirrored to")
        tell(f"fetching {len(sizes)} files of the run ({sum(sizes.values()) / 1e6:.1f} MB) from {shown}")
        for file in sizes:
            target = draft / file
            target.parent.mkdir(parents=True, exist_ok=True)
            with filesystem.open_input_stream(f"{base}/{file}") as content, target.open("xb") as copy:
                shutil.copyfileobj(content, copy, PIECE_BYTES)
        file = ""
        draft.rename(folder)  # takes the place of an empty folder, and of nothing else
    except MirrorError:
        raise
    except Exception as error:  # file systems raise errors of their own
        what = f"{shown}: {file}" if file else shown
        reason = redacted(one_line(error))[:200]
        raise MirrorError(f"--mirror {what}: cannot be fetched ({reason}); {folder.name} is as it was") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _is_mirrored(name: str) -> bool:
    """Say whether a mirror has written a file of this name: none has parts that are empty, hidden or lead upwards."""
    parts = name.split("/")
    return parts[0] not in LEFT_OUT and all(part and not part.startswith(".") for part in parts)
