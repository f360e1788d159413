"""Owns the legend of a printed figure: what its colours, markers and fillings mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from results.charts.encoding import Encoding
from results.charts.spread import BAR_WIDTH, SEED_ALPHA
from results.front.overview import Overview

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINE = "#374151"
LETTERS = 26


def draw_legend(figure: Figure, view: Overview, encoding: Encoding, symbols: Sequence[str]) -> None:
    """List colours, markers and verdicts, as far as they occur, to the right of the panels.

    Args:
        figure: Where to.
        view: What is drawn.
        encoding: How it is drawn.
        symbols: Matplotlib's marker for each marker number.
    """
    from matplotlib.lines import Line2D

    def entry(label: str, colour: str, symbol: str, **style: Any) -> Line2D:
        shown = label if len(label) <= LETTERS else label[: LETTERS - 1] + "…"
        return Line2D([], [], linestyle="none", marker=symbol, color=colour, label=shown, markersize=7, **style)

    groups: list[tuple[str, Sequence[Line2D]]] = [
        (encoding.colour_title, [entry(label, colour, "o") for label, colour in encoding.colour_legend]),
        (
            encoding.marker_title,
            [entry(label, LINE, symbols[number]) for label, number in encoding.marker_legend],
        ),
    ]
    kinds = {
        "front": entry("on the front", LINE, "o", markeredgecolor="white"),
        "dominated": entry("dominated", LINE, "o", alpha=0.42, markeredgewidth=0),
        "guard": entry("breaks a guard", LINE, "o", markerfacecolor="none"),
    }
    shown = [handle for kind, handle in kinds.items() if kind in view.verdicts]
    if view.points.repeated:
        bar = Line2D([], [], linestyle="-", color=LINE, linewidth=BAR_WIDTH, label="± 1 std over seeds")
        shown += [entry("one seed", LINE, ".", alpha=SEED_ALPHA, markeredgewidth=0), bar]
    groups.append((f"{view.unit}s", shown))
    handles: list[Line2D] = []
    titles: list[int] = []
    for title, entries in groups:
        if entries:
            handles += [entry(" ", "none", "")] if handles else []
            titles.append(len(handles))
            handles += [entry(title, "none", ""), *entries]
    if handles:
        legend = figure.legend(
            handles=handles, loc="outside right upper", frameon=False, handletextpad=0.3, labelspacing=0.35
        )
        for number in titles:
            legend.get_texts()[number].set_fontweight("bold")
