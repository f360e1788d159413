"""`python -m results RUN --live`: the report of a run that goes on, drawn again as its trials end."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from results.records.lock import is_searched
from results.records.run import read_run
from results.records.tables import TRIALS_FILE

RELOAD_S = 5


def follow(folder: Path, say: Callable[[str], None], pause_s: float = RELOAD_S) -> None:
    """Draw the report again whenever a trial has ended, until no search works on the run any more.

    The page loads itself again every few seconds; the last one drawn stays as it is. Nothing but `report.html` is
    written: the rest is the search's, at its end. `say` is told of each new page, in a line.

    Raises:
        RecordError: The folder is no run folder, or a record in it cannot be read.
    """
    drawn, goes_on = -1.0, True
    while goes_on:
        goes_on = is_searched(folder)
        changed = _changed(folder)
        if changed != drawn or not goes_on:
            drawn = changed
            say(_draw(folder, RELOAD_S if goes_on else None))
        if goes_on:
            time.sleep(pause_s)


def _changed(folder: Path) -> float:
    try:
        return (folder / TRIALS_FILE).stat().st_mtime
    except OSError:
        return 0.0


def _draw(folder: Path, reload_s: int | None) -> str:
    from results.aggregate import REPORT_FILE
    from results.front.overview import overview
    from results.report.report import write_report

    run = read_run(folder)
    view = overview({run.title: run}, title=run.title)
    write_report(view, folder / REPORT_FILE, reload_s=reload_s)
    ended = len(view.trials)
    return f"{folder / REPORT_FILE}: {ended} trials ended, {len(view.front)} on the front" + (
        "" if reload_s else "; no search works on this run, so this page is the last"
    )
