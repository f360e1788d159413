"""How large the report of a long search is, and how soon a browser has drawn it.

    python -m benchmarks.report                                   # 5,000 trials, two objectives
    python -m benchmarks.report --trials 500 5000 --objectives 3 --json report.json

The trials are made up (`report_run.py`), in the form that a search records. The page is opened from a file, in a
headless browser with a fresh profile, at 1280 pixels: `load` is the end of the load event, `drawn` the moment at which
every plot has its lines and a frame has been shown after that, both since the navigation began; of several openings the
median. Exit codes: 0 done, 2 bad input, 130 stopped.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import results
from benchmarks.command_line import BenchmarkError, OneLineParser, check_json, positive, run_benchmark
from benchmarks.report.made_up_run import write_run
from results.charts.print.files import write_importance, write_others
from results.front.overview import overview
from results.report.report import write_report

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from browser import Browser, missing_part  # the browser that the tests open pages in

MIB = 2**20
WIDTH_PX = 1280
PARTS = ("read", "front", "report", "figures")
# Runs before the page: notes when the last plot has its lines and the frame after that is on the screen.
WATCH = """
const whole = () => [...document.querySelectorAll('.plotly-graph-div')].every(
  plot => plot.querySelector('svg.main-svg .xy, svg.main-svg .bars, svg.main-svg .scatter'));
const look = () => whole() ? requestAnimationFrame(() => { window.drawnAt = performance.now(); })
  : requestAnimationFrame(look);
window.addEventListener('load', () => requestAnimationFrame(look));
"""
COLUMNS = ("trials", "objectives", "MiB", *(f"{name} s" for name in ("load", "drawn", "slowest", *PARTS)))
LOADED = "return performance.getEntriesByType('navigation')[0].loadEventEnd"


def main() -> int:
    """Measure, and show what was found."""
    return run_benchmark("report_speed", _parse, _run, lambda result: [_table(result)])


def _parse() -> argparse.Namespace:
    parser = OneLineParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=positive, nargs="+", default=[5000], help="sizes of the runs (5000)")
    parser.add_argument("--objectives", type=int, choices=(1, 2, 3), default=2, help="of the run (2)")
    parser.add_argument("--times", type=positive, default=3, help="how often each page is opened (3)")
    parser.add_argument("--out", type=Path, help="folder to keep the runs in; left out: they are removed")
    parser.add_argument("--json", type=Path, help="file for the result")
    options = parser.parse_args()
    check_json(options.json)
    missing = missing_part()
    if missing:
        raise BenchmarkError(missing)
    return options


def _run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    rows = []
    with _home(options.out) as home:
        for trials in options.trials:
            console.print(f"{trials:,} trials")
            folder = home / f"{trials}-trials-{options.objectives}-objectives"
            write_run(folder, trials, options.objectives)
            rows.append(
                {"trials": trials, "objectives": options.objectives, **_made(folder), **_opened(folder, options.times)}
            )
    return {"width_px": WIDTH_PX, "times": options.times, "rows": rows}


@contextmanager
def _home(kept: Path | None) -> Iterator[Path]:
    if kept:
        yield kept
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)


def _made(folder: Path) -> dict[str, float]:
    """Return how long the parts of a rebuild took, in seconds, and the size of the page."""
    moments = [time.perf_counter()]
    run = results.read_run(folder)
    moments.append(time.perf_counter())
    view = overview({folder.name: run}, folder.name)
    moments.append(time.perf_counter())
    write_report(view, folder / "report.html")
    moments.append(time.perf_counter())
    write_importance(view, folder / "figures")
    write_others(view, folder / "figures")
    moments.append(time.perf_counter())
    took = {f"{part}_s": end - begin for part, begin, end in zip(PARTS, moments, moments[1:], strict=False)}
    return {**took, "page_mib": (folder / "report.html").stat().st_size / MIB}


def _opened(folder: Path, times: int) -> dict[str, float]:
    """Return when the page was loaded and drawn, in seconds, each time in a new browser, and drawn there once more."""
    loaded, drawn, again = [], [], []
    for _ in range(times):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            browser = Browser(Path(profile))
            try:
                browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
                drawn.append(_drawn_s(browser, folder / "report.html"))
                loaded.append(float(browser.script(LOADED)) / 1000)
                faults = browser.errors()
                again.append(_drawn_s(browser, folder / "report.html"))
            finally:
                browser.close()
        if faults:
            raise BenchmarkError(f"{folder / 'report.html'}: an error on the console: {faults[0]}")
    medians = {"load_s": loaded, "drawn_s": drawn, "again_s": again}
    return {**{name: statistics.median(of) for name, of in medians.items()}, "slowest_drawn_s": max(drawn)}


def _drawn_s(browser: Browser, page: Path) -> float:
    browser.open(page, WIDTH_PX)
    return float(browser.wait(lambda: browser.script("return window.drawnAt"), "drawn page")) / 1000


def _table(result: dict[str, Any]) -> Table:
    table = Table(title=f"The report, opened {result['times']} times at {result['width_px']} px")
    for column in (
        "trials",
        "objectives",
        "MiB",
        "load s",
        "drawn s",
        "slowest s",
        "again s",
        "read s",
        "front s",
        "report s",
        "figures s",
    ):
        table.add_column(column, justify="right")
    for row in result["rows"]:
        seconds = ("load", "drawn", "slowest_drawn", "again", *PARTS)
        numbers = [f"{row['page_mib']:.1f}", *(f"{row[f'{name}_s']:.2f}" for name in seconds)]
        table.add_row(f"{row['trials']:,}", str(row["objectives"]), *numbers)
    return table


if __name__ == "__main__":
    sys.exit(main())
