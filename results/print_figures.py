"""Owns `figures/`: every picture of the report for print, as PNG and as SVG."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from results.cost import costs
from results.encoding import encode
from results.figure_bars import cost_figure, importance_figure
from results.figure_lines import curves_figure, hypervolume_figure, parallel_figure
from results.figure_style import print_style, save, settle
from results.figures import front_figure
from results.importance import importances, same_space
from results.learning_curves import curve_groups
from results.overview import Overview
from results.parallel import parallel_lines

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = ("png", "svg")
FRONT, CURVES = "front", "curves-"
NAMES = (FRONT, "hypervolume", "importance", "parallel", "cost")


def write_figures(view: Overview, folder: Path) -> tuple[Path, ...]:
    """Draw every picture that there is something to draw for; those of an earlier time that there is nothing for go.

    Args:
        view: What to draw.
        folder: Where to; made if it is missing.

    Returns:
        The files written.
    """
    folder.mkdir(exist_ok=True)
    written = []
    with print_style():
        for name, draw in pictures(view).items():
            figure = draw()
            settle(figure)
            for kind in KINDS:
                path = folder / f"{name}.{kind}"
                save(figure, path)
                written.append(path)
    for old in folder.iterdir():
        ours = old.stem in NAMES or old.stem.startswith(CURVES)
        if ours and old.suffix[1:] in KINDS and old not in written:
            old.unlink()
    return tuple(written)


def pictures(view: Overview) -> dict[str, Callable[[], Figure]]:
    """Return what draws each picture that there is something to draw for, by its file's name."""
    found: dict[str, Callable[[], Figure]] = {FRONT: lambda: front_figure(view)}
    if any(len(history) for history in view.histories.values()):
        found["hypervolume"] = lambda: hypervolume_figure(view)
    for objective in view.objectives:
        groups = curve_groups(view, objective)
        if groups:
            found[CURVES + objective.name] = partial(curves_figure, view, objective, groups)
    if same_space(view):
        parameters, shares = importances(view)
        if any(importance.shares for importance in shares):
            found["importance"] = partial(importance_figure, view, parameters, shares)
    lines = parallel_lines(view)
    if lines.rows:
        found["parallel"] = lambda: parallel_figure(view, encode(view), lines)
    spent = costs(view.trials)
    if spent:
        found["cost"] = lambda: cost_figure(view, spent)
    return found
