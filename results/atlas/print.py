"""Owns the pictures of an atlas for print, as PNG and SVG: the codes in use, and the matrix with the sub-actions."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from results.atlas.view import SHAPES_DRAWN_AS_LINES, AtlasView
from results.charts.style import new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT, RULE = "#1f2937", "#6b7280", "#d5d9df"
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "svg.hashsalt": "atlas",
}
PREFIX = "atlas-"
DPI = 200
WIDTH, TALLEST = 7.2, 9.6  # inches; a page with its margins
COLUMNS, MARGIN, HEADING, LABEL, CAPTION = 8, 0.08, 0.3, 0.17, 0.13  # inches but for the columns
NUMBERED = 64  # codes in the matrix; of more, the numbers would not be readable


def write_pictures(view: AtlasView, folder: Path) -> list[Path]:
    """Write all pictures; pictures of an earlier atlas in that folder go.

    Args:
        view: What to draw.
        folder: Where.

    Returns:
        The files.
    """
    import matplotlib

    from results.atlas.print_recording import draw_recording

    written: list[Path] = []
    with matplotlib.rc_context(STYLE):
        pages = list(_pages(view))
        for number, page in enumerate(pages, start=1):
            name = "codes" if len(pages) == 1 else f"codes-{number}"
            written += _save(draw_codes(view, page), folder, name)
        written += _save(draw_matrix(view), folder, "matrix")
        for example in view.atlas.examples:
            written += _save(draw_recording(view, example), folder, f"recording-{example.number}")
    for path in folder.glob(f"{PREFIX}*"):
        if path.suffix in (".png", ".svg") and path not in written:
            path.unlink()
    return written


def _save(figure: Figure, folder: Path, name: str) -> list[Path]:
    paths = [folder / f"{PREFIX}{name}.{kind}" for kind in ("png", "svg")]
    for path in paths:
        save(figure, path, DPI)
    return paths


Line = tuple[str, int, list[int]]  # "heading" or "codes", the sub-action, the codes


def _pages(view: AtlasView) -> Iterator[list[Line]]:
    """Headings and rows of codes, cut into pages; a heading stays with its first row and is repeated on a new page."""
    page: list[Line] = []
    for k, codes in view.groups:
        for first in range(0, len(codes), COLUMNS):
            heading: list[Line] = [] if first and page else [("heading", k, codes)]
            row: list[Line] = [*heading, ("codes", k, codes[first : first + COLUMNS])]
            if page and _height(view, [*page, *row]) > TALLEST:
                yield page
                page, row = [], [("heading", k, codes), row[-1]]
            page += row
    yield page


def _cell(view: AtlasView) -> float:
    """Height of a shape in inches."""
    if view.lanes > SHAPES_DRAWN_AS_LINES:
        return max(0.45, 0.035 * view.lanes)
    return 0.45 if view.lanes == 1 else 0.17 * view.lanes


def _height(view: AtlasView, page: list[Line]) -> float:
    rows = sum(HEADING if kind == "heading" else LABEL + _cell(view) + MARGIN for kind, *_ in page)
    return 0.2 + rows + CAPTION * len(_caption(view))


def _caption(view: AtlasView) -> list[str]:
    """What the shapes are, in lines."""
    text = (
        "Shapes have mean 0 and deviation 1 and share one scale; beside the number of a code, its part of the tokens."
    )
    if view.fused:
        names = view.atlas.channels
        if view.lanes > SHAPES_DRAWN_AS_LINES:
            text += f" Rows are channels, from {names[0]} down to {names[-1]}; blue is below the mean, red above."
        else:
            text += f" Lanes are channels, from the top: {', '.join(names)}."
    return textwrap.wrap(text, 118)


def draw_codes(view: AtlasView, page: list[Line]) -> Figure:
    """Shapes under the sub-action that they stand for, the most used ones first, all to one scale."""
    height = _height(view, page)
    figure = new_figure(WIDTH, height, layout=None)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
    axes.set_axis_off()
    m, at = view.atlas.meaning, 0.02
    for kind, k, codes in page:
        if kind == "heading":
            share = f"{100 * m.share[codes].sum():.3g} % of the tokens"
            count = f"{len(codes)} code{'s' * (len(codes) > 1)}, {share}"
            axes.plot([MARGIN + 0.04], [at + 0.165], "s", color=view.colours[k], markersize=5)
            name = axes.text(MARGIN + 0.15, at + 0.2, m.sub_actions[k], fontsize=8.5, fontweight="bold")
            axes.annotate(
                count, (1, 0), xycoords=name, xytext=(8, 2), textcoords="offset points", fontsize=7.5, color=FAINT
            )
            at += HEADING
            continue
        for column, code in enumerate(codes):
            _draw_code(view, axes, code, MARGIN + column * (WIDTH - 2 * MARGIN) / COLUMNS, at)
        at += LABEL + _cell(view) + MARGIN
    for line in _caption(view):
        at += CAPTION
        axes.text(MARGIN, at, line, fontsize=7, color=FAINT)
    return figure


def _draw_code(view: AtlasView, axes: Axes, code: int, left: float, top: float) -> None:
    m, wide, tall = view.atlas.meaning, (WIDTH - 2 * MARGIN) / COLUMNS - 0.1, _cell(view)
    axes.text(left, top + LABEL - 0.04, str(code), fontsize=7, fontweight="bold")
    share = f"{100 * m.share[code]:.2g} %"
    axes.text(left + wide, top + LABEL - 0.04, share, fontsize=7, color=FAINT, ha="right")
    shapes, top = m.shapes[code] / view.reach, top + LABEL
    if len(shapes) > SHAPES_DRAWN_AS_LINES:
        extent = (left, left + wide, top + tall, top)
        axes.imshow(shapes, cmap="RdBu_r", vmin=-1, vmax=1, extent=extent, aspect="auto", interpolation="nearest")
        axes.set(xlim=(0, WIDTH), ylim=(axes.get_figure().get_figheight(), 0))  # type: ignore[union-attr]
        return
    each = tall / len(shapes)
    x = np.linspace(left, left + wide, shapes.shape[1])
    for lane, row in enumerate(shapes):
        middle = top + (lane + 0.5) * each
        axes.plot([left, left + wide], [middle, middle], color=RULE, linewidth=0.5)
        axes.plot(x, middle - row * each * 0.48, color=INK, linewidth=0.9, solid_joinstyle="round")


def draw_matrix(view: AtlasView) -> Figure:
    """Probability of every sub-action for every code in use, with the use above it."""
    m, used = view.atlas.meaning, view.used
    figure = new_figure(WIDTH, 1.55 + 0.165 * len(view.rows))
    bars, cells = figure.subplots(2, 1, sharex=True, height_ratios=[0.5, 0.165 * len(view.rows)])
    bars.bar(np.arange(len(used)), 100 * m.share[used], width=0.85 if len(used) <= NUMBERED else 1.0, color="#9ca3af")
    bars.set_ylabel("tokens (%)")
    bars.tick_params(bottom=False, labelbottom=False)
    image = cells.imshow(
        m.distribution[used][:, view.rows].T, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest"
    )
    cells.set_yticks(range(len(view.rows)), [m.sub_actions[k] for k in view.rows])
    cells.tick_params(length=0)
    cells.spines[:].set_visible(False)
    end = 0
    for row, (_, codes) in enumerate(view.groups):
        end += len(codes)
        if row < len(view.groups) - 1:
            cells.axvline(end - 0.5, color=RULE, linewidth=0.6)
    if len(used) <= NUMBERED:
        # In turn on two levels, so that three digits fit.
        numbers = [("\n" if place % 2 else "") + str(code) for place, code in enumerate(used)]
        cells.set_xticks(range(len(used)), numbers, fontsize=6.5)
        cells.set_xlabel("code")
    else:
        cells.set_xticks([])
        cells.set_xlabel(f"{len(used)} codes in use, by their likeliest sub-action and their use")
    figure.colorbar(image, ax=cells, label="probability", fraction=0.03, pad=0.01)
    return figure
