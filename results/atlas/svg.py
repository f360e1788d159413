"""Draw the atlas page's vector pictures: shapes of codes, their matrix with the sub-actions, and recordings."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from results.atlas.palette import faded, ink_on
from results.atlas.view import AtlasView, lanes_of, over_time, ticks

if TYPE_CHECKING:
    from model.pretrained.atlas import Example

WIDTH, HEIGHT, LANE = 200, 76, 34  # of a shape, in units of its picture; of a lane where a code has several
MOST_POINTS = 400_000  # of all shapes together; what is more is thinned, a point is about 4 bytes
FEWEST_SAMPLES = 24
COLUMN = 3  # least pixels of a code in the matrix
BAR = 3  # rows of the matrix that the bars of use above it take
LEAST_SHOWN = 0.02  # probability; what is below it is not drawn
LETTERS = 16  # width of the letters beside sub-actions
LEFT, RIGHT, ACROSS = 236, 990, 1000  # of a recording's picture, and of what is drawn over time; about CSS pixels
SIGNAL, GAP, TALL, ROW = 74, 14, 17, 18  # heights of a channel, of what parts two, of a lane, and of a sub-action
LETTER_WIDTH = 7  # of what is written in a window
NAME = 30  # characters of a name that fit beside the picture, its letter apart
DRAWN_SAMPLES = 500  # of a series; of a longer one, the least and the largest of each part
BINS = 128  # of the sub-actions over time
ROWS = 8  # sub-actions over time, the likeliest


def path(x: np.ndarray, y: np.ndarray) -> str:
    """Return an SVG path through points, in whole units and relative, which is the shortest; NaN breaks the line."""
    parts, pen, drawing = [], (0, 0), False
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        if b != b:
            drawing = False
            continue
        point = (round(a), round(b))
        step = f"{point[0] - pen[0]} {point[1] - pen[1]}".replace(" -", "-")
        parts.append(f"l{step}" if drawing else f"M{point[0]} {point[1]}".replace(" -", "-"))
        pen, drawing = point, True
    return "".join(parts)


def shape(view: AtlasView, code: int) -> Markup:
    """Draw the decoded shape of a code: a line, a lane for each of several channels, or a heat map of many."""
    values = _thinned(view, view.atlas.meaning.shapes[code])
    lanes, samples = values.shape
    label = f'role="img" aria-label="shape of code {code}"'
    if view.drawn_as_heat_maps:
        return Markup(
            f'<svg class="shape" viewBox="0 0 {WIDTH} {max(HEIGHT, 4 * lanes)}" {label}>'
            f'<image width="100%" height="100%" preserveAspectRatio="none" href="{_heat(values, view.reach)}"/></svg>'
        )
    height = HEIGHT if lanes == 1 else LANE
    half = height / 2 - 2
    x = np.linspace(3 if lanes == 1 else 16, WIDTH - 3, samples)
    drawn = []
    for lane, row in enumerate(values):
        middle = lane * height + height / 2
        drawn.append(f'<path class="zero" d="M0 {middle:g}h{WIDTH}"/>')
        drawn.append(f'<path d="{path(x, middle - np.clip(row / view.reach, -1, 1) * half)}"/>')
        drawn.append("" if lanes == 1 else f'<text x="1" y="{lane * height + 12}">{lane + 1}</text>')
    box = f"0 0 {WIDTH} {lanes * height}"
    return Markup(f'<svg class="shape" viewBox="{box}" {label}>{"".join(drawn)}</svg>')


def _thinned(view: AtlasView, values: np.ndarray) -> np.ndarray:
    """Return fewer samples `(channels, ...)` where codes and channels are many."""
    codes, lanes, samples = view.atlas.meaning.shapes.shape
    kept = int(np.clip(MOST_POINTS // (codes * lanes), FEWEST_SAMPLES, samples))
    at = np.linspace(0, samples - 1, min(kept, samples))
    return np.stack([np.interp(at, np.arange(samples), row) for row in values])


def _heat(values: np.ndarray, reach: float) -> str:
    """Draw `(channels, samples)` as a link that holds the picture: blue below the mean, white at it, red above."""
    from matplotlib import colormaps
    from matplotlib.image import imsave

    file = io.BytesIO()
    imsave(file, colormaps["RdBu_r"](np.clip(values / reach, -1, 1) / 2 + 0.5), format="png", metadata={"Software": ""})
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def matrix(view: AtlasView) -> Markup:
    """Draw codes as columns and sub-actions as rows; a cell is as dark as its probability, bars above are the use.

    The picture is as many units wide as there are codes and is stretched to its place; labels stand beside it.
    """
    share, q = view.atlas.meaning.share, view.atlas.meaning.distribution
    most = float(share.max())
    columns = []
    for place, code in enumerate(view.used):
        tall = max(0.05, share[code] / most * (BAR - 0.25))
        cells = [
            f'<rect y="{BAR + row}" fill-opacity="{q[code, k]:.2f}"/>'.replace('"0.', '".')
            for row, k in enumerate(view.rows)
            if q[code, k] >= LEAST_SHOWN
        ]
        bar = f'<path d="M.1 {BAR - 0.15:g}v{-tall:.2f}h.8v{tall:.2f}z"/>'
        columns.append(f'<g data-c="{code}" transform="translate({place})">{bar}{"".join(cells)}</g>')
    height = BAR + len(view.rows)
    lines = "".join(f"M0 {BAR + row}H{len(view.used)}" for row in range(len(view.rows) + 1))
    style = f"height:{ROW * height}px;--least:{COLUMN * len(view.used)}px"
    return Markup(
        f'<svg style="{style}" class="matrix" viewBox="0 0 {len(view.used)} {height}" preserveAspectRatio="none" '
        'role="img" aria-label="probability of each sub-action, code by code; the codes above say the same in words">'
        f'{"".join(columns)}<path class="rule" d="{lines}"/></svg>'
    )


def recording(view: AtlasView, example: Example, channels: Sequence[int], *, with_sub_actions: bool) -> Markup:
    """Draw some channels of a recording, and below them, if asked for, the sub-actions over time."""
    parts: list[str] = []
    at = 6.0
    for channel in channels:
        parts.append(_signal(view, example, channel, at))
        at += SIGNAL + 3
        if not view.fused:
            band, tall = _windows(view, example, channel, at)
            parts.append(band)
            at += tall
        at += GAP
    if view.fused:
        band, tall = _windows(view, example, 0, at)
        parts += [_name("windows", at + 12), band]
        at += tall + GAP
    if with_sub_actions:
        drawn, tall = _sub_actions(view, example, at)
        parts.append(drawn)
        at += tall
    parts.append(_time_axis(view, at - 4))
    shown = ", ".join(view.atlas.channels[channel] for channel in channels)
    label = html.escape(f"recording {example.number}: signals and windows of {shown}")
    return Markup(
        f'<svg class="recording" viewBox="0 0 {ACROSS} {at + 40:g}" role="group" aria-label="{label}" '
        f'data-left="{LEFT}" data-right="{RIGHT}">{"".join(parts)}</svg>'
    )


def _x(fraction: np.ndarray | float) -> np.ndarray:
    return LEFT + np.asarray(fraction) * (RIGHT - LEFT)


def short(text: str) -> str:
    """Cut a name to what fits beside a picture; of alternatives, "a | b", the first one, and that there are others."""
    if len(text) <= NAME:
        return text
    rest = " | …" if " | " in text else "…"
    return text.split(" | ")[0][: NAME - len(rest)] + rest


def _name(text: str, y: float, kind: str = "name", left: int = 0) -> str:
    full = f"<title>{html.escape(text)}</title>" if short(text) != text else ""
    return f'<text class="{kind}" x="{left}" y="{y:g}">{full}{html.escape(short(text))}</text>'


def _signal(view: AtlasView, example: Example, channel: int, top: float) -> str:
    x, stitched = example.x[channel], example.stitched[channel]
    low, high = limits(x, stitched)

    def place(values: np.ndarray) -> np.ndarray:
        return top + SIGNAL - (np.clip(values, low, high) - low) / (high - low) * SIGNAL

    marks = []
    for value in ticks(low, high, 5):
        y, number = float(place(np.array(value))), f"{value:g}".replace("-", "−")
        marks.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{RIGHT}"/>')
        marks.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}">{number}</text>')
    lines = []
    for kind, series in (("signal", x), ("stitched", stitched)):
        along, values = thinned(series, DRAWN_SAMPLES)
        lines.append(f'<path class="{kind}" d="{path(_x(along), place(values))}"/>')
    return _name(view.atlas.channels[channel], top + SIGNAL / 2 + 4) + "".join(marks + lines)


def limits(x: np.ndarray, stitched: np.ndarray) -> tuple[float, float]:
    """Return the ends of a channel's axis: the signal's, and the rebuilt series' up to half as far beyond it."""
    low, high = float(x.min()), float(x.max())
    room = max(0.05 * (high - low), 0.25)
    beyond = max(0.5 * (high - low), room)
    rebuilt = stitched[np.isfinite(stitched)]
    if len(rebuilt):
        low, high = min(low, max(rebuilt.min(), low - beyond)), max(high, min(rebuilt.max(), high + beyond))
    return float(low) - room, float(high) + room


def thinned(series: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return places of a series, as fractions of it, and values; of a long one the least and largest of each part."""
    samples = len(series)
    along = np.arange(samples) / (samples - 1)
    if samples <= 2 * most:
        return along, series
    edges = np.linspace(0, samples, most + 1).round().astype(int)
    chosen: list[int] = []
    for a, b in pairwise(edges.tolist()):
        part = series[a:b]
        if np.isnan(part).any():
            chosen.append(int(a + np.isnan(part).argmax()))
        else:
            chosen += sorted({int(a + part.argmin()), int(a + part.argmax())})
    return along[chosen], series[chosen]


def _windows(view: AtlasView, example: Example, row: int, top: float) -> tuple[str, float]:
    """Return the windows of a row of tokens, in the order of time; and how tall that is.

    Each is a link to its code: a box in the colour of its likeliest sub-action, as full as that is likely, with the
    sub-action's letter and the code.
    """
    start, length, codes, q = (part[row] for part in (example.start, example.length, example.codes, example.q))
    lanes = lanes_of(start, length)
    bars = []
    for n in np.argsort(start, kind="stable").tolist():
        likeliest = np.argsort(-q[n], kind="stable")[:3]
        k, p = int(likeliest[0]), float(q[n, likeliest[0]])
        left, wide, y = float(_x(start[n])), float(length[n]) * (RIGHT - LEFT), top + lanes[n] * TALL
        said = ",".join(f"{k}:{100 * q[n, k]:.0f}" for k in likeliest)
        data = f'data-n="{n}" data-s="{start[n] * view.extent:.4g}" data-l="{length[n] * view.extent:.4g}" '
        text = next((t for t in window_texts(view, k, codes[n]) if wide >= LETTER_WIDTH * len(t) + 2), "")
        if text:
            light = ' class="light"' if ink_on(faded(view.colours[k], p)) == "#ffffff" else ""
            text = f'<text{light} x="{left + wide / 2:.1f}" y="{y + TALL - 5:.1f}">{text}</text>'
        box = f'x="{left + 0.5:.1f}" y="{y + 0.5:.1f}" width="{max(wide - 1, 0.5):.1f}" height="{TALL - 3}"'
        bar = f'<rect {box} fill-opacity="{p:.2f}"/>'
        bars.append(f'<a class="token k{k}" href="#code-{codes[n]}" {data}data-q="{said}">{bar}{text}</a>')
    return f'<g class="band">{"".join(bars)}</g>', (max(lanes) + 1) * TALL


def window_texts(view: AtlasView, k: int, code: int) -> tuple[str, str]:
    """Return what a window says, of its sub-action `k` and its code, where there is room; and where there is little."""
    return f"{view.letters[k]} {code}", view.letters[k]


def likeliest_rows(mean: np.ndarray) -> list[int]:
    """Return the sub-actions that a picture of one recording shows, the likeliest first; `mean (K,)` over its time."""
    order = np.argsort(-mean, kind="stable")[:ROWS]
    return [int(k) for k in order if mean[k] >= LEAST_SHOWN] or [int(order[0])]


def _sub_actions(view: AtlasView, example: Example, top: float) -> tuple[str, float]:
    """Return rows of the likeliest sub-actions, as strong as their probability at a time; and how tall that is."""
    q = over_time(example, min(BINS, example.x.shape[-1]))
    edges = np.asarray(_x(np.arange(len(q) + 1) / len(q)))
    parts = []
    rows = likeliest_rows(q.mean(0))
    for place, k in enumerate(rows):
        y = top + place * ROW
        kind = "name owned" if view.atlas.owned[example.y, k] else "name"
        parts.append(f'<text class="{kind}" y="{y + 13:g}">{view.letters[k]}</text>')
        parts.append(_name(view.atlas.meaning.sub_actions[k], y + 13, kind, LETTERS))
        parts.append(f'<g class="likely k{k}" data-k="{k}">')
        shown = np.round(q[:, k], 2)
        changes = np.flatnonzero(np.diff(shown)) + 1
        for a, b in zip([0, *changes.tolist()], [*changes.tolist(), len(shown)], strict=True):
            box = f'x="{edges[a]:.1f}" y="{y:g}" width="{edges[b] - edges[a]:.1f}" height="{ROW - 2}"'
            parts.append(f'<rect {box} fill-opacity="{shown[a]:g}"/>')
        parts.append(f'</g><path class="frame" d="M{LEFT} {y:g}H{RIGHT}v{ROW - 2}H{LEFT}z"/>')
    return "".join(parts), len(rows) * ROW + 8


def _time_axis(view: AtlasView, y: float) -> str:
    parts = [f'<path class="axis" d="M{LEFT} {y:g}H{RIGHT}"/>']
    for value in ticks(0.0, view.extent, 7):
        x = float(_x(value / view.extent))
        parts.append(f'<path class="axis" d="M{x:.1f} {y:g}v5"/>')
        parts.append(f'<text class="tick middle" x="{x:.1f}" y="{y + 18:g}">{value:g}</text>')
    middle = (LEFT + RIGHT) / 2
    parts.append(f'<text class="tick middle" x="{middle:g}" y="{y + 36:g}">{html.escape(view.time_label)}</text>')
    return "".join(parts)
