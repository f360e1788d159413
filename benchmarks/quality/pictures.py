"""Pictures of what was learnt, for print: every decoded shape with its use, and one series with its windows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure

from results.charts import style
from results.charts.style import FAINT as SIGNAL
from results.charts.style import INK, RULE, TEXT_WIDTH_IN

COLOURS = ("#1d4ed8", "#b45309")  # ours, the reference
MOST_SHAPES = 64  # of one model; more would be too small to be seen
STYLE = style.STYLE | {"font.size": 8.5, "axes.labelsize": "medium"}


def draw_shapes(models: dict[str, Path], file: Path) -> None:
    """Draw all decoded shapes of each model, whose `example.npz` `runs` has written, sorted by use, side by side."""
    most = max(len(np.load(source)["counts"]) for source in models.values())
    columns = math.ceil(math.sqrt(min(most, MOST_SHAPES)))
    rows = math.ceil(min(most, MOST_SHAPES) / columns)
    width = TEXT_WIDTH_IN / 2 * len(models)
    cell = (TEXT_WIDTH_IN / 2 - 0.2) / columns
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, rows * (0.62 * cell + 0.16) + 0.35))
        panels = figure.subfigures(1, len(models), squeeze=False, wspace=0.04)[0]
        for panel, colour, (name, source) in zip(panels, COLOURS, models.items(), strict=False):
            with np.load(source) as arrays:
                _shape_grid(panel, arrays["shapes"], arrays["counts"], (rows, columns), name, colour)
        _save(figure, file)


def _shape_grid(
    panel: SubFigure, shapes: np.ndarray, counts: np.ndarray, grid: tuple[int, int], name: str, colour: str
) -> None:
    order = np.argsort(-counts, kind="stable")[: grid[0] * grid[1]]
    share = counts / max(1, counts.sum())
    used = int((counts > 0).sum())
    height = panel.bbox.height / panel.figure.dpi
    panel.text(0.5, 1 - 0.12 / height, f"{name}: {used} of {len(counts)} used", ha="center", va="center", size=9)
    edges = {"left": 0.03, "right": 0.97, "bottom": 0.02 / height, "top": 1 - 0.4 / height}
    axes = panel.subplots(*grid, squeeze=False, gridspec_kw={**edges, "wspace": 0.16, "hspace": 0.42}).ravel()
    highest = 1.05 * float(np.abs(shapes).max())
    for axis in axes:
        axis.set_axis_off()
    for axis, code in zip(axes, order, strict=False):
        axis.axhline(0, color=RULE, linewidth=0.5)
        axis.plot(shapes[code], color=colour if counts[code] else SIGNAL, linewidth=1.1)
        axis.set_ylim(-highest, highest)
        axis.set_title(_percent(share[code]), size=6.5, pad=1.5, color=INK if counts[code] else SIGNAL)


def _percent(share: float) -> str:
    if share == 0:
        return "unused"
    return f"{share:.0%}" if share >= 0.095 else f"{share:.1%}" if share >= 0.0005 else "<0.1%"


def draw_series(models: dict[str, Path], file: Path) -> None:
    """Draw one series of the test part: the signal, what the shapes alone give, and the window of every token."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(TEXT_WIDTH_IN, 2.7 * len(models)), layout="constrained")
        axes = figure.subplots(2 * len(models), 1, sharex=True, height_ratios=[3, 2] * len(models), squeeze=False)
        for number, (colour, (name, source)) in enumerate(zip(COLOURS, models.items(), strict=False)):
            with np.load(source) as arrays:
                _signal(axes[2 * number, 0], arrays["x"], arrays["stitched"], name, colour)
                _windows(axes[2 * number + 1, 0], arrays, colour)
        axes[-1, 0].set_xlabel("sample")
        figure.align_ylabels(axes[:, 0])
        _save(figure, file)


def _signal(axis: Any, x: np.ndarray, stitched: np.ndarray, name: str, colour: str) -> None:
    unexplained = float(((x - stitched) ** 2).sum() / max(1e-12, ((x - x.mean()) ** 2).sum()))
    axis.plot(x, color=SIGNAL, linewidth=1.1, label="signal")
    axis.plot(stitched, color=colour, linewidth=1.2, label="from its shapes")
    axis.set_title(f"{name}: FVU of this series {unexplained:.2f}", loc="left", size=9)
    axis.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False, fontsize=8, ncols=2, borderaxespad=0.1)
    axis.set_ylabel("value")
    axis.margins(x=0.01)


def _windows(axis: Any, arrays: Any, colour: str) -> None:
    """Draw a bar per token, in the order of their starts."""
    last = len(arrays["x"]) - 1
    start, length = arrays["start"] * last, arrays["length"] * last
    for row, token in enumerate(np.argsort(start, kind="stable")):
        axis.plot([start[token], start[token] + length[token]], [row, row], color=colour, linewidth=1.6)
    axis.set_ylim(len(start), -1)
    axis.set_yticks([])
    axis.set_ylabel("windows")


def _save(figure: Figure, file: Path) -> None:
    FigureCanvasAgg(figure)
    figure.savefig(file, dpi=200, facecolor="white")
