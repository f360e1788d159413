"""How long `python -m results` takes on a long search, how large its report is, and how soon a browser has drawn it.

    python -m benchmarks.report                                   # 5,000 trials, two objectives
    python -m benchmarks.report --trials 500 5000 --objectives 3 --json report.json
    python -m benchmarks.report --no-page --profile               # without a browser; where the time goes

The trials are made up (`made_up_run.py`), in the form that a search records. `results` is the whole command in a new
process, beside it what it needs of a processor; `read`, `front`, `report` and `figures` are its parts in this process.
The page is opened from a file, in a headless browser with a fresh profile, at 1280 pixels: `load` is the end of the
load event, `drawn` the moment at which every plot has its lines and a frame has been shown after that, both since the
navigation began. Figures are medians of several.
"""

from __future__ import annotations

import cProfile
import itertools
import pstats
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
from rich.table import Table

import results
from benchmarks.command_line import JSON, PATH, POSITIVE, PROGRESS, BenchmarkError, benchmark, finish, table_of
from benchmarks.report.made_up_run import EPOCHS, RUNGS, write_run
from results import aggregate
from results.charts.print.files import write_importance, write_others
from results.front.overview import overview
from results.report.report import write_report

ROOT = Path(__file__).parents[2]
MIB = 2**20
WIDTH_PX = 1280
PARTS = ("read", "front", "report", "figures")
SECONDS = ("results", "processor", *PARTS, "load", "drawn", "slowest", "again")
MOST_SHOWN = 25
# Runs before the page: notes when the last plot has its lines and the frame after that is on the screen.
WATCH = """
const whole = () => [...document.querySelectorAll('.chart')].every(
  plot => plot.querySelector('svg.main-svg .xy, svg.main-svg .bars, svg.main-svg .scatter'));
const look = () => whole() ? requestAnimationFrame(() => { window.drawnAt = performance.now(); })
  : requestAnimationFrame(look);
window.addEventListener('load', () => requestAnimationFrame(look));
"""
LOADED = "return performance.getEntriesByType('navigation')[0].loadEventEnd"


@benchmark("python -m benchmarks.report", several=("--trials",))
@click.option("--trials", type=POSITIVE, multiple=True, default=[5000], metavar="N ...", help="of the runs (5000)")
@click.option("--epochs", type=click.IntRange(max(RUNGS) + 1), default=EPOCHS, help=f"of a whole trial ({EPOCHS})")
@click.option("--replicates", type=POSITIVE, default=1, help="seeds of every point (1)")
@click.option("--objectives", type=click.IntRange(1, 3), default=2, help="of the run (2)")
@click.option("--times", type=POSITIVE, default=3, help="how often each is rebuilt, and each page opened (3)")
@click.option("--page/--no-page", default=True, help="open the page in a browser")
@click.option("--profile", is_flag=True, help="also say where the time goes")
@click.option("--out", type=PATH, help="folder to keep the runs in; left out: they are removed")
@JSON
def main(**given: Any) -> int:
    """Time the results of a long search."""
    options = SimpleNamespace(**given)
    opened = _opener() if options.page else lambda *_: {}
    rows = []
    with nullcontext(options.out) if options.out else tempfile.TemporaryDirectory() as home:
        for trials in options.trials:
            PROGRESS.print(f"{trials:,} trials")
            folder = Path(home) / f"{trials}-trials-{options.objectives}-objectives"
            write_run(folder, trials, options.objectives, epochs=options.epochs, replicates=options.replicates)
            row = {"trials": trials, "objectives": options.objectives, **_rebuilt(folder, options.times)}
            row |= {**_made(folder), **opened(folder / "report.html", options.times)}
            rows.append(row | {"profile": _profile(folder) if options.profile else {}})
    result = {"benchmark": "report", "width_px": WIDTH_PX, "times": options.times, "rows": rows}
    return finish(result, options.json, tables(result))


def _rebuilt(folder: Path, times: int) -> dict[str, float]:
    """Return how long the whole command takes in a new process, and what it uses of a processor."""
    seconds, processor = [], []
    for _ in range(times):
        began, used = time.perf_counter(), _children_s()
        command = [sys.executable, "-m", "results", str(folder.absolute())]
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - began)
        processor.append(_children_s() - used)
        PROGRESS.print(f"{seconds[-1]:.2f} s, of a processor {processor[-1]:.2f} s")
    sizes = {f"{name}_mib": (folder / name).stat().st_size / MIB for name in ("trials.csv", "curves.csv")}
    return {"results_s": statistics.median(seconds), "processor_s": statistics.median(processor), **sizes}


def _children_s() -> float:
    """Return the seconds of a processor that ended processes have used: what a busy machine does not change."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _made(folder: Path) -> dict[str, float]:
    """Return how long the parts of a rebuild took, in seconds, and the size of the page."""
    moments = [time.perf_counter()]
    record = results.read_run(folder)
    moments.append(time.perf_counter())
    view = overview({folder.name: record}, folder.name)
    moments.append(time.perf_counter())
    write_report(view, folder / "report.html")
    moments.append(time.perf_counter())
    write_importance(view, folder / "figures")
    write_others(view, folder / "figures")
    moments.append(time.perf_counter())
    took = {f"{part}_s": end - begin for part, (begin, end) in zip(PARTS, itertools.pairwise(moments), strict=True)}
    return {**took, "page_mib": (folder / "report.html").stat().st_size / MIB}


def _profile(folder: Path) -> dict[str, float]:
    """Return the seconds spent below the functions of `results`, the slowest first; profiling itself slows them."""
    aggregate.MANY_TRIALS = sys.maxsize  # all of it in this process
    profile = cProfile.Profile()
    profile.runcall(aggregate.rebuild, folder)
    found = {}
    for (path, _, function), timing in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        file = Path(path)
        if (ROOT / "results") in file.parents and not function.startswith("<"):
            found[f"{file.stem}.{function}"] = timing[3]
    return dict(sorted(found.items(), key=lambda item: -item[1])[:MOST_SHOWN])


def _opener() -> Any:
    """Return what opens a page and times it, in the browser that the tests open pages in.

    Raises:
        BenchmarkError: There is no browser.
    """
    sys.path.insert(0, str(ROOT / "tests"))
    from browser import Browser, missing_part

    if missing := missing_part():
        raise BenchmarkError(f"{missing}; or leave the page out with --no-page")

    def drawn_s(browser: Browser, page: Path) -> float:
        browser.open(page, WIDTH_PX)
        return float(browser.wait(lambda: browser.script("return window.drawnAt"), "drawn page")) / 1000

    def opened(page: Path, times: int) -> dict[str, float]:
        """Return when a page was loaded and drawn, each time in a new browser, and drawn there once more."""
        loaded, drawn, again = [], [], []
        for _ in range(times):
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
                browser = Browser(Path(profile))
                try:
                    browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
                    drawn.append(drawn_s(browser, page))
                    loaded.append(float(browser.script(LOADED)) / 1000)
                    faults = browser.errors()
                    again.append(drawn_s(browser, page))
                finally:
                    browser.close()
            if faults:
                raise BenchmarkError(f"{page}: an error on the console: {faults[0]}")
        medians = {"load_s": loaded, "drawn_s": drawn, "again_s": again}
        return {**{name: statistics.median(of) for name, of in medians.items()}, "slowest_s": max(drawn)}

    return opened


def tables(result: dict[str, Any]) -> list[Table]:
    """Return a line per run, and where the time of each went."""
    names = [name for name in SECONDS if f"{name}_s" in result["rows"][0]]
    rows = []
    for row in result["rows"]:
        numbers = [f"{row['page_mib']:.1f}", *(f"{row[f'{name}_s']:.2f}" for name in names)]
        rows.append([f"{row['trials']:,}", str(row["objectives"]), *numbers])
    headings = ("trials", "objectives", "MiB", *(f"{name}\ns" for name in names))
    title = f"Results and report, {result['times']} times, at {result['width_px']} px"
    found = [table_of(headings, rows, left=0, title=title)]
    for row in result["rows"]:
        if row["profile"]:
            lines = [(name, f"{seconds:.2f}") for name, seconds in row["profile"].items()]
            found.append(table_of(("under the profiler", "s"), lines, title=f"{row['trials']:,} trials"))
    return found


if __name__ == "__main__":
    sys.exit(main())
