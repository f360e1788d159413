"""Write `figures/`: every picture of the report for print, as PNG and as SVG."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from results.charts.costs import costs
from results.charts.curves import curve_groups
from results.charts.encoding import encode
from results.charts.importance import importances, same_space
from results.charts.parallel import parallel_lines
from results.charts.print.bars import cost_figure, importance_figure
from results.charts.print.front import front_figure
from results.charts.print.lines import curves_figure, hypervolume_figure, parallel_figure
from results.charts.style import print_style, save, settle
from results.front.overview import Overview
from results.records.files import remove_file
from results.records.names import own_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FRONT, CURVES, IMPORTANCE = "front", "curves-", "importance"
NAMES = (FRONT, "hypervolume", IMPORTANCE, "parallel", "cost")


def write_importance(view: Overview, folder: Path) -> list[Path]:
    """Draw the picture of the importances, which alone takes about as long to work out as all others to draw.

    Returns:
        The files written to the folder, which is made if it is missing; none if there is nothing to draw.
    """
    return _write(importance_picture(view), folder)


def write_others(view: Overview, folder: Path) -> list[Path]:
    """Draw every other picture that there is something to draw for, as `write_importance` does."""
    return _write(pictures(view), folder)


def remove_others(folder: Path, kept: Collection[Path]) -> None:
    """Remove pictures of an earlier time."""
    for old in folder.iterdir():
        ours = old.stem in NAMES or old.stem.startswith(CURVES)
        if ours and old.suffix in (".png", ".svg") and old not in kept:
            remove_file(old)


def _write(pictures: dict[str, Callable[[], Figure]], folder: Path) -> list[Path]:
    own_folder(folder)
    written: list[Path] = []
    with print_style():
        for name, draw in pictures.items():
            figure = draw()
            settle(figure)
            written += save(figure, folder, name)
    return written


def importance_picture(view: Overview) -> dict[str, Callable[[], Figure]]:
    """Return what draws the picture of the importances, by its name; nothing where they say nothing."""
    if not same_space(view):
        return {}
    parameters, shares = importances(view)
    if not any(importance.values for importance in shares):
        return {}
    return {IMPORTANCE: partial(importance_figure, view, parameters, shares)}


def pictures(view: Overview) -> dict[str, Callable[[], Figure]]:
    """Return what draws each of the other pictures that there is something to draw for, by its name."""
    drawn: dict[str, Callable[[], Figure]] = {FRONT: lambda: front_figure(view)}
    if any(len(history) for history in view.histories.values()):
        drawn["hypervolume"] = lambda: hypervolume_figure(view)
    for objective in view.objectives:
        groups = curve_groups(view, objective)
        if groups:
            drawn[CURVES + objective.name] = partial(curves_figure, view, objective, groups)
    lines = parallel_lines(view)
    if lines.rows:
        drawn["parallel"] = lambda: parallel_figure(view, encode(view), lines)
    spent = costs(view.trials)
    if spent:
        drawn["cost"] = lambda: cost_figure(view, spent)
    return drawn
