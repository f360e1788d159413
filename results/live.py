"""`python -m results RUN --live`: the report of a run that goes on, drawn again as its trials end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from results.records.files import write_atomically
from results.records.lock import is_searched
from results.records.run import read_run
from results.records.tables import TRIALS_FILE

PAUSE_S = 5


def follow(folder: Path, say: Callable[[str], None], pause_s: float = PAUSE_S) -> None:
    """Draw the report again whenever a trial has ended, until no search works on the run any more.

    Beside `report.html` lies a small script meanwhile, from which an open page learns that it was written anew; it goes
    with the last page. The rest of the folder is the search's, at its end. `say` is told of each new page, in a line.

    Raises:
        RecordError: The folder is no run folder, or a record in it cannot be read.
    """
    from results.aggregate import REPORT_FILE

    newest = (folder / REPORT_FILE).with_suffix(".newest.js")
    drawn, goes_on = -1, True
    try:
        while goes_on:
            goes_on = is_searched(folder)
            changed = _changed(folder)
            if changed != drawn or not goes_on:
                drawn = changed
                say(_draw(folder, newest, str(changed) if goes_on else "", pause_s))
            if goes_on:
                time.sleep(pause_s)
    finally:
        newest.unlink(missing_ok=True)


def _changed(folder: Path) -> int:
    try:
        return (folder / TRIALS_FILE).stat().st_mtime_ns
    except OSError:
        return 0


def _draw(folder: Path, newest: Path, stamp: str, pause_s: float) -> str:
    """Write the page, and after it what tells of it; without a stamp the page is the last."""
    from results.aggregate import REPORT_FILE
    from results.front.overview import overview
    from results.report.report import Live, write_report

    run = read_run(folder)
    view = overview({run.title: run}, title=run.title)
    live = Live(stamp, newest.name, pause_s) if stamp else None
    write_report(view, folder / REPORT_FILE, live=live)
    if stamp:
        write_atomically(newest, f"newestReport({json.dumps(stamp)});\n")
    said = f"{folder / REPORT_FILE}: {len(view.trials)} trials ended, {len(view.front)} on the front"
    return said if stamp else f"{said}; no search works on this run, so this page is the last"
