"""Rebuild what a run folder shows from what it recorded, for one run or for the union of several."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from results.charts.print.fronts import groupings_of, write_fronts
from results.exceptions import RecordError
from results.export.best import export_best
from results.export.choices import front_choices
from results.front.groups import Grouping
from results.front.overview import Overview, overview
from results.records.files import frame_text, write_atomically
from results.records.run import Run, read_run
from results.records.space import SPACE_FILE

FRONT_FILE, HISTORY_FILE = "front.csv", "hypervolume.csv"
FIGURE_FILE, FIGURES_FOLDER, REPORT_FILE = "front.png", "figures", "report.html"
MOST_NAMED = 3
MANY_TRIALS = 1000  # from here on, a process that draws saves more time than it takes to start
Result = TypeVar("Result")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild made.

    Attributes:
        folder: Where it was written.
        view: The run, or the runs together.
        paths: Files written.
        warnings: One line per thing that is missing or was read with a loss.
    """

    folder: Path
    view: Overview
    paths: tuple[Path, ...]
    warnings: tuple[str, ...]

    @property
    def front(self) -> pd.DataFrame:
        """The front, the rows of `front.csv`."""
        return self.view.front

    @property
    def hypervolume(self) -> float:
        """Hypervolume of the front; 0 if it is empty."""
        return self.view.hypervolume


def rebuild(folder: Path | str, by: Sequence[str] | None = None, *, figures: bool = True) -> Rebuilt:
    """Rebuild front.csv, hypervolume.csv, best/, fronts/, front.png, figures/ and report.html of a run.

    A run without a finished trial gets them as well: an empty front, hypervolume 0, and a warning.

    Args:
        folder: The run folder.
        by: What fronts are grouped by in fronts/ (see `results.front.groups`); None for every choice and whole number.
        figures: Whether to draw, which takes most of the time; False writes front.csv, hypervolume.csv and best/ alone.

    Raises:
        RecordError: The folder is not a run folder, a record in it cannot be read, or no run has a column of `by`.
    """
    return _rebuild(read_run(folder), by, figures)


def unite(
    folders: Sequence[Path | str], out: Path | str, by: Sequence[str] | None = None, *, figures: bool = True
) -> tuple[list[Rebuilt], Rebuilt]:
    """Rebuild several runs, and put their union front into a folder of its own.

    Args:
        folders: The run folders; all are read before anything is written.
        out: Folder for front.csv (with a column `run`), fronts/, front.png, figures/ and report.html; made if it is
            missing.
        by: What the union's fronts are grouped by; None for the run, and every choice and whole number. The runs' own
            are grouped by the latter.
        figures: As for `rebuild`, for all of them.

    Returns:
        What was made of each run, and of the union.

    Raises:
        RecordError: A run cannot be read, a run is given twice, the objectives differ, or `out` is a run folder.
    """
    out = Path(out)
    if (out / SPACE_FILE).exists():
        raise RecordError(f"{out}: is a run folder, its front would be overwritten; give --out another folder")
    runs = labelled_runs(folders)
    named = " and ".join(runs) if len(runs) <= MOST_NAMED else f"{len(runs)} runs"
    view = overview(runs, title=f"Union of {named}")
    groupings = groupings_of(view, by)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordError(f"{out}: cannot be made ({error.strerror}); give --out another folder") from error
    rebuilt = [_rebuild(run, None, figures) for run in runs.values()]
    with _working(figures and len(view.trials) >= MANY_TRIALS, _draw, view, groupings, out) as drawn:
        return rebuilt, Rebuilt(out, view, _write(view, out, figures, drawn), view.warnings)


def labelled_runs(folders: Sequence[Path | str]) -> dict[str, Run]:
    """Read several runs, by a label for each: its folder's name, and those above it as far as names are equal.

    Raises:
        RecordError: A run cannot be read, or is given twice.
    """
    paths = [Path(folder) for folder in folders]
    resolved = [path.resolve() for path in paths]
    for path, full in zip(paths, resolved, strict=True):
        if resolved.count(full) > 1:
            raise RecordError(f"{path}: given twice; give each run once")
    labels = []
    for full in resolved:
        tails = ["/".join(full.parts[-count:]) for count in range(1, len(full.parts) + 1)]
        others = [f"/{other}" for other in resolved if other != full]
        labels.append(next(tail for tail in tails if not any(other.endswith(f"/{tail}") for other in others)))
    return dict(zip(labels, (read_run(path) for path in paths), strict=True))


def _rebuild(run: Run, by: Sequence[str] | None, figures: bool) -> Rebuilt:
    view = overview({run.title: run}, title=run.title)
    groupings = groupings_of(view, by)
    with _working(figures and len(view.trials) >= MANY_TRIALS, _draw, view, groupings, run.folder) as drawn:
        exported, missing = export_best(run, front_choices(run))
        history = run.folder / HISTORY_FILE
        write_atomically(history, frame_text(view.histories[run.title]))
        (front, *shown) = _write(view, run.folder, figures, drawn, missing)
    return Rebuilt(run.folder, view, (front, history, *exported, *shown), (*view.warnings, *missing))


@contextmanager
def _working(apart: bool, function: Callable[..., Result], *arguments: Any) -> Iterator[Callable[[], Result]]:
    """Let a function work in a process of its own while the block does something else; leaving the block ends it.

    The function is a module's, `pickle` takes its arguments, and it has the same effect if it is called again. To start
    a process takes a second or two: unless `apart`, the function is called when its result is asked for.

    Yields:
        What waits for the function's result; where its process cannot start, or dies, the function is called
            in this one.
    """
    if not apart:
        yield lambda: function(*arguments)
        return

    def result() -> Result:
        try:
            return work.result()
        except BrokenProcessPool as error:
            log.warning("%s in another process: %s", function.__name__, error)
            return function(*arguments)

    context = multiprocessing.get_context("spawn")  # a fork would inherit locks that other threads hold
    leaving, left = context.Pipe(duplex=False)
    with leaving, ProcessPoolExecutor(1, context, _end_with, (leaving,)) as pool, left:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # Ctrl-C is this process's to hear
        try:
            work = pool.submit(function, *arguments)
        except OSError as error:  # no further process
            work = Future()
            work.set_exception(BrokenProcessPool(str(error)))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield result


def _end_with(leaving: Connection) -> None:
    """End this process as soon as the other end of a pipe is closed, be it by the death of who asked."""

    def wait() -> None:
        leaving.poll(None)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _draw(view: Overview, groupings: Sequence[Grouping], folder: Path) -> list[Path]:
    """Write what takes drawing, but for what needs the importances."""
    from results.charts.print.files import write_others

    return [*write_fronts(view, groupings, folder), *write_others(view, folder / FIGURES_FOLDER)]


def _write(
    view: Overview, folder: Path, figures: bool, drawn: Callable[[], list[Path]], warnings: Sequence[str] = ()
) -> tuple[Path, ...]:
    front, figure, report, home = (folder / n for n in (FRONT_FILE, FIGURE_FILE, REPORT_FILE, FIGURES_FOLDER))
    write_atomically(front, frame_text(view.front))
    if not figures:
        return (front,)
    # Drawing libraries load here, not with the package: reading a run needs neither.
    from results.charts.print.files import FRONT, remove_others, write_importance
    from results.report.report import write_report

    write_report(view, report, warnings)
    pictures = [*write_importance(view, home), *drawn()]
    remove_others(home, pictures)
    write_atomically(figure, (home / FRONT).with_suffix(".png").read_bytes())
    return front, figure, report, *pictures
