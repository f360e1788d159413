"""How charts look, on the page and in print: palette, axis limits, and thinning.

Figures for print become PNG and SVG files here, the same bytes for the same figure.
"""

from __future__ import annotations

import html
import io
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from results.front.overview import Overview
from results.records.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, LINE, SOFT, FAINT, RULE, GRID, SHADE = "#1f2937", "#374151", "#6b7280", "#9ca3af", "#d5d9df", "#eef0f3", "#dde8f6"
# Ever lighter, and dark enough on white at both ends: viridis without its yellow.
SEQUENTIAL = ("#46327e", "#365c8d", "#277a8c", "#1f9180", "#3fa95f", "#b5b52a")
# Told apart without red or green cones too, and from white as lines are (a contrast of 3).
CATEGORICAL = ("#146dd5", "#cc6e00", "#17a581", "#923b6e", "#813c00", "#549db1", "#111827")
MISSING_COLOUR = "#8b929c"
STATE_COLOURS = {"finished": "#146dd5", "stopped": "#a85b00", "failed": "#923b6e", "interrupted": SOFT}
BAR_WIDTH, SEED_ALPHA = 0.8, 0.45  # of the spread over seeds, and of a single seed
MARGIN_FRACTION = 0.13  # of an axis, beyond what it shows

DPI = 200
TEXT_WIDTH_IN = 7.2  # a page's text over both columns
STYLE: dict[Any, Any] = {
    "font.size": 9.5,
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "svg.hashsalt": "results",
}
TITLE_POINTS = 11.5
LEFT_FRACTION, GAP_FRACTION = 0.01, 0.02  # of the figure's width
BESIDE_FRACTION = 0.8  # of the figure's height
MOST_LETTERS, FEWEST_LETTERS = 90, 24  # of a line of a title


def axis_limits(
    view: Overview, values: np.ndarray, reference: float, seeds: np.ndarray | None = None
) -> tuple[float, float]:
    """Return the limits of an axis for the values of points, (points,), and of seeds that are drawn beside them.

    All points that count are inside, with their seeds; those that break a guard are if they lie no farther away than
    the range of the others, so that a hopeless one does not squash the rest. The reference is shown with 0 if there is
    no finished trial.
    """
    counted = values[view.counted]
    counted = counted if seeds is None or not len(counted) else np.concatenate([counted, seeds])
    broken = values[np.array(view.verdicts, dtype=object) == "guard"]
    shown = counted if len(counted) else broken
    if not len(shown):
        shown = np.array([0.0, reference])
    low, high = float(shown.min()), float(shown.max())
    span = (high - low) or abs(high) * 0.2 or 1.0
    near = broken[(broken >= low - span) & (broken <= high + span)]
    low, high = min([low, *near]), max([high, *near])
    margin = MARGIN_FRACTION * (high - low) or span
    return low - margin, high + margin


def outside_note(view: Overview, points: np.ndarray, x: tuple[float, float], y: tuple[float, float]) -> str:
    """Say how many points lie outside the limits; "" if none does."""
    visible = np.array([verdict != "unfinished" for verdict in view.verdicts], dtype=bool)
    low, high = np.transpose([x, y])
    inside = (points >= low).all(axis=1) & (points <= high).all(axis=1)
    outside = int((visible & ~inside).sum())
    return f"{outside} guard-breaking trial{'s' if outside > 1 else ''} outside" if outside else ""


def evenly(count: int, most: int) -> np.ndarray:
    """Return positions to keep of a sequence, ascending: all if they are few enough, else evenly spread, both ends in.

    `count` is its length and `most`, at least 2, how many to keep.
    """
    if count <= most:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, most).round().astype(int))


def literal(text: str) -> str:
    """Return a text that plotly shows as it is: it reads tags and entities, but none of a quotation mark."""
    return html.escape(text, quote=False)


def thinned_note(drawn: int, total: int, what: str) -> str:
    """Say how many of all are drawn; "" if all are."""
    return f"{drawn:,} of {total:,} {what} are drawn, evenly spread over the record" if drawn < total else ""


@contextmanager
def print_style(changes: Mapping[Any, Any] | None = None) -> Iterator[None]:
    """Draw and save figures in the style for print while this is open, with changes to matplotlib's parameters."""
    import matplotlib

    with matplotlib.rc_context(STYLE | dict(changes or {})):
        yield


def new_figure(width_in: float, height_in: float, layout: Any = "constrained") -> Figure:
    """Return a figure of a size in inches, with a canvas of its own: no window system is asked.

    The layout is an engine, or its name; None for places that are set by hand.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def add_grid(axes: Axes) -> None:
    """Draw a faint grid behind everything."""
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def place_title(figure: Figure, name: str, text: str) -> None:
    """Write a figure's title, with as few breaks as fit between its left edge and a legend beside it, drawn before.

    The name of what is shown, such as the run's, stands on lines of its own if the title needs several.
    """
    figure.draw_without_rendering()  # settles where the legends are
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    boxes = [legend.get_window_extent(renderer) for legend in figure.legends]
    beside = [float(box.x0) for box in boxes if box.y1 > BESIDE_FRACTION * figure.bbox.height]
    right = min([figure.bbox.width, *beside]) - GAP_FRACTION * figure.bbox.width
    style: dict[str, Any] = {"x": LEFT_FRACTION, "ha": "left", "fontsize": TITLE_POINTS, "fontweight": "bold"}
    title = figure.suptitle(f"{name}: {text}", **style)
    for letters in range(MOST_LETTERS, FEWEST_LETTERS - 1, -2):
        if title.get_window_extent(renderer).x1 <= right:
            return
        lines = [line for part in (name, text) for line in textwrap.wrap(part, letters, break_on_hyphens=False)]
        title.set_text("\n".join(lines))


def settle(figure: Figure) -> None:
    """Lay a figure out once for all, so that every file shows the same, and none does it again."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def save(figure: Figure, folder: Path, stem: str, dpi: int = DPI) -> list[Path]:
    """Write a figure as `<stem>.png` and `<stem>.svg`, each in one step and without a date; return the files.

    `Figure.savefig` would draw it a second time first, for the sake of what may be asked of a figure.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    png, svg = io.BytesIO(), io.BytesIO()
    figure.set_dpi(dpi)
    FigureCanvasAgg(figure).print_png(png, metadata={"Software": ""})
    FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None, "Creator": None})
    paths = [folder / f"{stem}.png", folder / f"{stem}.svg"]
    for path, file in zip(paths, (png, svg), strict=True):
        write_atomically(path, file.getvalue())
    return paths
