"""Draw an atlas for print, as PNG and SVG: the codes in use, their matrix with the sub-actions, and recordings."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from results.atlas.palette import faded, ink_on
from results.atlas.svg import BINS, likeliest_rows, limits, thinned, window_texts
from results.atlas.view import AtlasView, carried, lanes_of, over_time
from results.charts.style import FAINT, INK, RULE, SOFT, TEXT_WIDTH_IN, new_figure, print_style, save
from results.records.files import remove_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from model.pretrained.atlas import Example

STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.edgecolor": SOFT,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
}
PREFIX = "atlas-"
TALLEST = 9.6  # inches; a page with its margins
COLUMNS, MARGIN, HEADING, LABEL, CAPTION = 8, 0.08, 0.3, 0.17, 0.13  # inches but for the columns
NUMBERED = 64  # codes in the matrix; of more, the numbers would not be readable
CHANNELS = 6  # more would not be readable on a page
SIGNAL, LANE, ROW, LINE = 0.7, 0.12, 0.17, 0.12  # inches; LINE of a name beyond its first
NAME, TITLE = 36, 64  # characters of a line of a name beside a picture, and above codes
MOST_WINDOWS = 4.4  # inches, of the windows of all rows
DRAWN_SAMPLES = 800
LETTER_IN = 0.05  # of what is written in a window
BEHIND = "#8a919e"  # of the signal, which the rebuilt one is drawn over; 3 : 1 from white


def write_pictures(view: AtlasView, folder: Path) -> list[Path]:
    """Write all pictures and return their files; pictures of an earlier atlas in that folder go."""
    written: list[Path] = []
    with print_style(STYLE):
        pages = list(_pages(view))
        for number, page in enumerate(pages, start=1):
            name = "codes" if len(pages) == 1 else f"codes-{number}"
            written += save(draw_codes(view, page), folder, PREFIX + name)
        written += save(draw_matrix(view), folder, f"{PREFIX}matrix")
        for example in view.atlas.examples:
            written += save(draw_recording(view, example), folder, f"{PREFIX}recording-{example.number}")
    for path in folder.glob(f"{PREFIX}*"):
        if path.suffix in (".png", ".svg") and path not in written:
            remove_file(path)
    return written


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
    if view.drawn_as_heat_maps:
        return max(0.45, 0.035 * view.lanes)
    return 0.45 if view.lanes == 1 else 0.17 * view.lanes


def _height(view: AtlasView, page: list[Line]) -> float:
    rows = sum(_heading(view, k)[1] if kind == "heading" else LABEL + _cell(view) + MARGIN for kind, k, _ in page)
    return 0.2 + rows + CAPTION * len(_caption(view))


def _heading(view: AtlasView, k: int) -> tuple[str, float]:
    """What stands above the codes of a sub-action, and how tall it is in inches."""
    lines = textwrap.wrap(view.atlas.meaning.sub_actions[k], TITLE)
    return "\n".join(lines), HEADING + 1.2 * LINE * (len(lines) - 1)


def _labels(view: AtlasView, rows: list[int]) -> tuple[list[str], float]:
    """The names beside rows of a picture, and how tall a row is in inches."""
    names = [textwrap.wrap(f"{view.letters[k]}  {view.atlas.meaning.sub_actions[k]}", NAME) for k in rows]
    return ["\n".join(lines) for lines in names], ROW + LINE * (max(map(len, names)) - 1)


def _caption(view: AtlasView) -> list[str]:
    """What the shapes are, in lines."""
    text = (
        "Shapes have mean 0 and deviation 1 and share one scale; beside the number of a code, its part of the tokens."
    )
    if view.fused:
        names = view.atlas.channels
        if view.drawn_as_heat_maps:
            text += f" Rows are channels, from {names[0]} down to {names[-1]}; blue is below the mean, red above."
        else:
            text += f" Lanes are channels, from the top: {', '.join(names)}."
    return textwrap.wrap(text, 118)


def draw_codes(view: AtlasView, page: list[Line]) -> Figure:
    """Shapes under the sub-action that they stand for, the most used ones first, all to one scale."""
    height = _height(view, page)
    figure = new_figure(TEXT_WIDTH_IN, height, layout=None)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, TEXT_WIDTH_IN), ylim=(height, 0))
    axes.set_axis_off()
    m, at = view.atlas.meaning, 0.02
    for kind, k, codes in page:
        if kind == "heading":
            count = f"{len(codes)} code{'s' * (len(codes) > 1)}, {100 * m.share[codes].sum():.3g} % of the tokens"
            box = {"boxstyle": "square,pad=0.25", "facecolor": view.colours[k], "edgecolor": "none"}
            style: dict[str, Any] = {"fontsize": 7, "color": ink_on(view.colours[k]), "ha": "center", "va": "center"}
            axes.text(MARGIN + 0.05, at + 0.165, view.letters[k], bbox=box, **style)
            title, tall = _heading(view, k)
            name = axes.text(MARGIN + 0.2, at + 0.1, title, fontsize=8.5, fontweight="bold", va="top")
            offset: dict[str, Any] = {"xytext": (8, 2), "textcoords": "offset points"}
            axes.annotate(count, (1, 0), xycoords=name, **offset, fontsize=7.5, color=SOFT)
            at += tall
            continue
        for column, code in enumerate(codes):
            _draw_code(view, axes, code, MARGIN + column * (TEXT_WIDTH_IN - 2 * MARGIN) / COLUMNS, at)
        at += LABEL + _cell(view) + MARGIN
    for line in _caption(view):
        at += CAPTION
        axes.text(MARGIN, at, line, fontsize=7, color=SOFT)
    return figure


def _draw_code(view: AtlasView, axes: Axes, code: int, left: float, top: float) -> None:
    m, wide, tall = view.atlas.meaning, (TEXT_WIDTH_IN - 2 * MARGIN) / COLUMNS - 0.1, _cell(view)
    axes.text(left, top + LABEL - 0.04, str(code), fontsize=7, fontweight="bold")
    share = f"{100 * m.share[code]:.2g} %"
    axes.text(left + wide, top + LABEL - 0.04, share, fontsize=7, color=SOFT, ha="right")
    shapes, top = m.shapes[code] / view.reach, top + LABEL
    if view.drawn_as_heat_maps:
        extent = (left, left + wide, top + tall, top)
        axes.imshow(shapes, cmap="RdBu_r", vmin=-1, vmax=1, extent=extent, aspect="auto", interpolation="nearest")
        axes.set(xlim=(0, TEXT_WIDTH_IN), ylim=(axes.get_figure().get_figheight(), 0))  # type: ignore[union-attr]
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
    names, tall = _labels(view, view.rows)
    figure = new_figure(TEXT_WIDTH_IN, 1.55 + tall * len(view.rows))
    bars, cells = figure.subplots(2, 1, sharex=True, height_ratios=[0.5, tall * len(view.rows)])
    bars.bar(np.arange(len(used)), 100 * m.share[used], width=0.85 if len(used) <= NUMBERED else 1.0, color=FAINT)
    bars.set_ylabel("tokens (%)")
    bars.tick_params(bottom=False, labelbottom=False)
    image = cells.imshow(
        m.distribution[used][:, view.rows].T, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest"
    )
    cells.set_yticks(range(len(view.rows)), names)
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


def draw_recording(view: AtlasView, example: Example) -> Figure:
    """The first channels of a recording, their windows with the codes, and the likeliest sub-actions below."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    shown = min(CHANNELS, len(view.atlas.channels))
    q = over_time(example, min(BINS, example.x.shape[-1]))
    rows = likeliest_rows(q.mean(0))
    rows += [k for k, _ in carried(example) if k not in rows]  # the rows explain every letter
    kinds, heights = _plan(view, example, shown)
    heights.append(_labels(view, rows)[1] * len(rows))
    layout = ConstrainedLayoutEngine(h_pad=0.02, hspace=0.0, w_pad=0.04)
    figure = new_figure(TEXT_WIDTH_IN, 1.1 + sum(heights) + 0.04 * len(heights), layout=layout)
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    for panel, (kind, which) in zip(panels, kinds, strict=False):
        if kind == "signal":
            _draw_signal(view, panel, example, which)
        else:
            _draw_windows(view, panel, example, which)
    _draw_sub_actions(view, panels[-1], example, q, rows)
    figure.suptitle(_title(view, example, shown), fontsize=9, fontweight="bold", x=0.01, ha="left")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right", ncols=2, frameon=False, fontsize=7.5, borderaxespad=0.1)
    figure.align_ylabels([panel for panel, (kind, _) in zip(panels, kinds, strict=False) if kind == "signal"])
    figure.supylabel("normalised signal (mean 0, deviation 1)", fontsize=8, color=SOFT)
    return figure


def _plan(view: AtlasView, example: Example, shown: int) -> tuple[list[tuple[str, int]], list[float]]:
    """What the panels show from the top, each with its channel or row of tokens, and their heights in inches."""
    if view.fused:
        kinds = [*(("signal", channel) for channel in range(shown)), ("windows", 0)]
    else:
        kinds = [(kind, channel) for channel in range(shown) for kind in ("signal", "windows")]
    return kinds, [SIGNAL if kind == "signal" else _band(example, which) for kind, which in kinds]


def _title(view: AtlasView, example: Example, shown: int) -> str:
    channels = len(view.atlas.channels)
    left_out = f", {shown} of {channels} channels" if shown < channels else ""
    name = view.atlas.meaning.classes[example.y]
    return f"{name}, validation recording {example.number}{left_out}: stitch_fvu {example.stitch_fvu:.3f}"


def _most(example: Example) -> float:
    """Height that the windows of a row may take, in inches."""
    return MOST_WINDOWS / min(CHANNELS, len(example.start))


def _band(example: Example, row: int) -> float:
    return min(_most(example), LANE * (max(lanes_of(example.start[row], example.length[row])) + 1))


def _draw_signal(view: AtlasView, axes: Axes, example: Example, channel: int) -> None:
    x, stitched = example.x[channel], example.stitched[channel]
    for series, label, colour, width in ((x, "signal", BEHIND, 1.7), (stitched, "rebuilt from the shapes", INK, 0.9)):
        along, values = thinned(series, DRAWN_SAMPLES)
        axes.plot(along * view.extent, values, color=colour, linewidth=width, label=label)
    axes.set_ylim(*limits(x, stitched))
    axes.locator_params(axis="y", nbins=3, steps=[1, 2, 5, 10])
    name = textwrap.fill(view.atlas.channels[channel], 18)
    axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=7.5)
    axes.tick_params(bottom=False, labelbottom=False)
    axes.spines["bottom"].set_visible(False)


def _draw_windows(view: AtlasView, axes: Axes, example: Example, row: int) -> None:
    start, length = example.start[row] * view.extent, example.length[row] * view.extent
    lanes = lanes_of(start, length)
    inches = (TEXT_WIDTH_IN - 1.9) / view.extent  # of a unit of time, about: names on the left take the rest
    for n, lane in enumerate(lanes):
        k = int(example.q[row, n].argmax())
        fill = faded(view.colours[k], float(example.q[row, n, k]))
        axes.barh(-lane, length[n], left=start[n], height=0.84, color=fill, edgecolor=view.colours[k], linewidth=0.7)
        texts = window_texts(view, k, example.codes[row, n])
        text = next((text for text in texts if len(text) * LETTER_IN <= length[n] * inches), "")
        if LANE * (max(lanes) + 1) <= _most(example):
            place = (start[n] + length[n] / 2, -lane)
            axes.text(*place, text, fontsize=6, ha="center", va="center_baseline", color=ink_on(fill))
    axes.set_ylim(-max(lanes) - 0.5, 0.5)
    axes.set_axis_off()


def _draw_sub_actions(view: AtlasView, axes: Axes, example: Example, q: np.ndarray, rows: list[int]) -> None:
    """A row per sub-action in its colour, as strong as its probability; in bold those of the true class."""
    from matplotlib.colors import to_rgb

    picture = np.array([[to_rgb(faded(view.colours[k], p)) for p in q[:, k]] for k in rows])
    extent = (0.0, view.extent, len(rows) - 0.5, -0.5)
    axes.imshow(picture, extent=extent, aspect="auto", interpolation="nearest")
    axes.set_yticks(range(len(rows)), _labels(view, rows)[0])
    for label, k in zip(axes.get_yticklabels(), rows, strict=True):
        label.set(fontweight="bold" if view.atlas.owned[example.y, k] else "normal", color=INK)
    axes.tick_params(axis="y", length=0)
    axes.hlines(np.arange(1, len(rows)) - 0.5, 0, view.extent, color=RULE, linewidth=0.6)
    axes.set_xlim(0, view.extent)
    axes.set_xlabel(f"{view.time_label}; colours are as strong as the probability: white is 0, full colour 1")
