"""Owns how figures for print look, and how one becomes a PNG and an SVG file, the same bytes for the same figure."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from results.records.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT, LINE, GRID, SHADE = "#1f2937", "#9ca3af", "#374151", "#eef0f3", "#f0f4fb"
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
    "svg.hashsalt": "front",
}


@contextmanager
def print_style() -> Iterator[None]:
    """Draw and save figures in the style for print while this is open."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        yield


def new_figure(width_in: float, height_in: float, layout: Any = "constrained") -> Figure:
    """Return a figure of a size in inches, with a canvas of its own: no window system is asked.

    Args:
        width_in: Width.
        height_in: Height.
        layout: Layout engine, or its name; None for places that are set by hand.
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


def settle(figure: Figure) -> None:
    """Lay a figure out once for all, so that every file shows the same, and none does it again."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def save(figure: Figure, path: Path, dpi: int = DPI) -> None:
    """Write a figure as PNG or SVG, by the file's ending, in one step and without a date.

    `Figure.savefig` would draw it a second time first, for the sake of what may be asked of a figure.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    file = io.BytesIO()
    figure.set_dpi(dpi)
    if path.suffix == ".png":
        FigureCanvasAgg(figure).print_png(file, metadata={"Software": ""})
    else:
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None, "Creator": None})
    write_atomically(path, file.getvalue())
