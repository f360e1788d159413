"""Owns the title of a printed figure: above the panels, broken into lines before it meets the legend beside them."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

SIZE_POINTS = 11.5
LEFT_FRACTION, GAP_FRACTION = 0.01, 0.02  # of the figure's width
BESIDE_FRACTION = 0.8  # of the figure's height
MOST_LETTERS, FEWEST_LETTERS = 90, 24


def place_title(figure: Figure, name: str, text: str) -> None:
    """Write a figure's title, with as few breaks as fit between its left edge and a legend beside it.

    Args:
        figure: With its legends, if it gets any.
        name: What is shown, such as the run's name; stands on lines of its own if the title needs several.
        text: What is shown of it.
    """
    figure.draw_without_rendering()  # settles where the legends are
    right = min([1.0, *(_left(figure, legend) for legend in figure.legends)]) - GAP_FRACTION
    style: dict[str, Any] = {"x": LEFT_FRACTION, "ha": "left", "fontsize": SIZE_POINTS, "fontweight": "bold"}
    title: Text = figure.suptitle(f"{name}: {text}", **style)
    for letters in range(MOST_LETTERS, FEWEST_LETTERS - 1, -2):
        if float(title.get_window_extent(_renderer(figure)).x1) <= right * float(figure.bbox.width):
            return
        lines = [line for part in (name, text) for line in textwrap.wrap(part, letters, break_on_hyphens=False)]
        title.set_text("\n".join(lines))


def _left(figure: Figure, legend: Any) -> float:
    """Return where a legend begins, as a share of the figure's width; 1 if it is not as high up as a title."""
    box = legend.get_window_extent(_renderer(figure))
    beside = float(box.y1) > BESIDE_FRACTION * float(figure.bbox.height)
    return float(box.x0) / float(figure.bbox.width) if beside else 1.0


def _renderer(figure: Figure) -> Any:
    return figure.canvas.get_renderer()  # type: ignore[attr-defined]
