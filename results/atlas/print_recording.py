"""Owns the picture of one recording for print: signal, rebuilt series, windows, codes and sub-actions over time."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from results.atlas.print import FAINT, INK, WIDTH
from results.atlas.recording import BINS, likeliest_rows, limits, thinned
from results.atlas.view import AtlasView, ink_on, lanes_of, over_time
from results.charts.style import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    from model.pretrained.atlas import Example

CHANNELS = 6  # more would not be readable on a page
SIGNAL, LANE, ROW = 0.7, 0.12, 0.17  # inches
MOST_BAND = 0.72  # inches, of the windows of a row
DRAWN_SAMPLES = 800
DIGIT = 0.055  # inches, of the number of a code


def draw_recording(view: AtlasView, example: Example) -> Figure:
    """The first channels of a recording, their windows with the codes, and the likeliest sub-actions below."""
    shown = min(CHANNELS, len(view.atlas.channels))
    q = over_time(example, min(BINS, example.x.shape[-1]))
    rows = likeliest_rows(q.mean(0))
    kinds, heights = _plan(view, example, shown)
    heights.append(ROW * len(rows))
    figure = new_figure(WIDTH, 1.1 + sum(heights) + 0.04 * len(heights), layout=_layout())
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
    figure.supylabel("normalised signal (mean 0, deviation 1)", fontsize=8, color=FAINT)
    return figure


def _plan(view: AtlasView, example: Example, shown: int) -> tuple[list[tuple[str, int]], list[float]]:
    """What the panels show from the top, each with its channel or row of tokens, and their heights in inches."""
    kinds: list[tuple[str, int]] = []
    for channel in range(shown):
        kinds.append(("signal", channel))
        if not view.fused:
            kinds.append(("windows", channel))
    if view.fused:
        kinds.append(("windows", 0))
    return kinds, [SIGNAL if kind == "signal" else _band(example, which) for kind, which in kinds]


def _title(view: AtlasView, example: Example, shown: int) -> str:
    channels = len(view.atlas.channels)
    left_out = f", {shown} of {channels} channels" if shown < channels else ""
    name = view.atlas.meaning.classes[example.y]
    return f"{name}, validation recording {example.number}{left_out}: stitch_fvu {example.stitch_fvu:.3f}"


def _layout() -> ConstrainedLayoutEngine:
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return ConstrainedLayoutEngine(h_pad=0.02, hspace=0.0, w_pad=0.04)


def _band(example: Example, row: int) -> float:
    return min(MOST_BAND, LANE * (max(lanes_of(example.start[row], example.length[row])) + 1))


def _draw_signal(view: AtlasView, axes: Axes, example: Example, channel: int) -> None:
    x, stitched = example.x[channel], example.stitched[channel]
    for series, label, colour in ((x, "signal", "#6b7280"), (stitched, "rebuilt from the shapes", "#d55e00")):
        along, values = thinned(series, DRAWN_SAMPLES)
        axes.plot(along * view.extent, values, color=colour, linewidth=0.9, label=label)
    axes.set_ylim(*limits(x, stitched))
    axes.locator_params(axis="y", nbins=3, steps=[1, 2, 5, 10])
    name = textwrap.fill(view.atlas.channels[channel], 18)
    axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=7.5)
    axes.tick_params(bottom=False, labelbottom=False)
    axes.spines["bottom"].set_visible(False)


def _draw_windows(view: AtlasView, axes: Axes, example: Example, row: int) -> None:
    start, length = example.start[row] * view.extent, example.length[row] * view.extent
    lanes = lanes_of(start, length)
    inches = (WIDTH - 1.9) / view.extent  # of a unit of time, about: names on the left take the rest
    for n, lane in enumerate(lanes):
        colour = view.colours[int(example.q[row, n].argmax())]
        axes.barh(-lane, length[n], left=start[n], height=0.88, color=colour, edgecolor="white", linewidth=0.4)
        text = str(example.codes[row, n])
        if len(text) * DIGIT <= length[n] * inches and LANE * (max(lanes) + 1) <= MOST_BAND:
            place = (start[n] + length[n] / 2, -lane)
            axes.text(*place, text, fontsize=6, ha="center", va="center_baseline", color=ink_on(colour))
    axes.set_ylim(-max(lanes) - 0.5, 0.5)
    axes.set_axis_off()


def _draw_sub_actions(view: AtlasView, axes: Axes, example: Example, q: np.ndarray, rows: list[int]) -> None:
    """A row per sub-action in its colour, as strong as its probability; in bold those of the true class."""
    from matplotlib.colors import to_rgb

    colours = np.array([to_rgb(view.colours[k]) for k in rows])[:, None]
    strength = q[:, rows].T[..., None]
    picture = 1 - strength / q.max() * (1 - colours)
    extent = (0.0, view.extent, len(rows) - 0.5, -0.5)
    axes.imshow(np.clip(picture, 0, 1), extent=extent, aspect="auto", interpolation="nearest")
    axes.set_yticks(range(len(rows)), [view.atlas.meaning.sub_actions[k] for k in rows])
    for label, k in zip(axes.get_yticklabels(), rows, strict=True):
        label.set(fontweight="bold" if view.atlas.owned[example.y, k] else "normal", color=INK)
    axes.tick_params(axis="y", length=0)
    axes.hlines(np.arange(1, len(rows)) - 0.5, 0, view.extent, color="white", linewidth=1.5)
    axes.set_xlim(0, view.extent)
    axes.set_xlabel(f"{view.time_label}; full colour is a probability of {q.max():.2f}")
