"""How charts look, on the page and in print: palette, colour and marker of each point, axis limits, and thinning.

Figures for print become PNG and SVG files here, the same bytes for the same figure.
"""

from __future__ import annotations

import html
import io
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from results.front.overview import Overview
from results.records.files import write_atomically
from results.records.space import Parameter
from results.records.text import cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, LINE, SOFT, FAINT, RULE, GRID, SHADE = "#1f2937", "#374151", "#6b7280", "#9ca3af", "#d5d9df", "#eef0f3", "#f0f4fb"
# Dark enough on white at both ends; viridis without its yellow.
SEQUENTIAL = ("#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#b5b52a")
# Okabe and Ito's colours, told apart with any colour vision.
CATEGORICAL = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6b7280")
STATE_COLOURS = {"finished": "#0072b2", "stopped": "#e69f00", "failed": "#d55e00", "interrupted": FAINT}
BAR_WIDTH, SEED_ALPHA = 0.8, 0.45  # of the spread over seeds, and of a single seed
MARKERS = 6
LEGEND_VALUES = 7
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


@dataclass(frozen=True)
class Encoding:
    """How points look.

    Attributes:
        colour_title: What the colour shows; "" if it shows nothing.
        colours: Colour of each point.
        colour_legend: Values and their colours; a spread of them if there are many.
        marker_title: What the marker shows; "" if it shows nothing.
        markers: Number of each point's marker, from 0 to `MARKERS` - 1.
        marker_legend: Values and their marker numbers.
    """

    colour_title: str
    colours: tuple[str, ...]
    colour_legend: tuple[tuple[str, str], ...]
    marker_title: str
    markers: tuple[int, ...]
    marker_legend: tuple[tuple[str, int], ...]


def encode(view: Overview) -> Encoding:
    """Choose colour and marker.

    One run: colour is the first choice or int parameter, marker the next choice. Several runs: colour is the
    run, marker the first choice. A choice with more values than there are markers is passed over for the marker.
    """
    points = view.points.table
    parameters = list(next(iter(view.runs.values())).space.parameters)
    several = "run" in points
    coloured = None if several else next((p for p in parameters if p.type in ("choice", "int")), None)
    after = parameters[parameters.index(coloured) + 1 :] if coloured else parameters
    marked = next((p for p in after if p.type == "choice" and 1 < len(p.values) <= MARKERS), None)
    column = "run" if several else coloured.name if coloured else ""
    declared = tuple(view.runs) if several else coloured.values if coloured else ()
    colours, colour_legend = _colours(points, column, declared)
    markers, marker_legend = _markers(points, marked)
    return Encoding(column, colours, colour_legend, marked.name if marked else "", markers, marker_legend)


def _colours(
    points: pd.DataFrame, column: str, declared: Sequence[Any]
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    if not column:
        return (CATEGORICAL[0],) * len(points), ()
    values = list(points[column])
    # Declared first: a choice keeps its order in the space, and its colours while the run goes on.
    levels = list(declared) or sorted({value for value in values if not pd.isna(value)})
    numeric = all(isinstance(level, int | float) and not isinstance(level, bool) for level in levels)
    palette = ramp(levels) if numeric else [CATEGORICAL[n % len(CATEGORICAL)] for n in range(len(levels))]
    by_text = {cell(level): colour for level, colour in zip(levels, palette, strict=True)}
    legend = list(by_text.items())
    if len(legend) > LEGEND_VALUES:
        legend = [legend[position] for position in evenly(len(legend), 5)]
    return tuple(by_text.get(cell(value), "#9aa0a6") for value in values), tuple(legend)


def ramp(levels: Sequence[Any]) -> list[str]:
    """Return a colour per level, evenly spread in their order along the sequential colours."""
    anchors = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in SEQUENTIAL], dtype=float)
    places = np.argsort(np.argsort(levels)) / max(len(levels) - 1, 1) * (len(SEQUENTIAL) - 1)
    mixed = np.stack([np.interp(places, np.arange(len(SEQUENTIAL)), anchors[:, i]) for i in range(3)], axis=1)
    return ["#" + "".join(f"{round(part):02x}" for part in colour) for colour in mixed]


def _markers(points: pd.DataFrame, parameter: Parameter | None) -> tuple[tuple[int, ...], tuple[tuple[str, int], ...]]:
    if parameter is None:
        return (0,) * len(points), ()
    numbers = {cell(value): number for number, value in enumerate(parameter.values)}
    column = points[parameter.name] if parameter.name in points else [None] * len(points)
    return tuple(numbers.get(cell(value), 0) for value in column), tuple(numbers.items())


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
