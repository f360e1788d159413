"""Owns the vector pictures of the atlas page that show codes: shapes, and the matrix of codes and sub-actions."""

from __future__ import annotations

import base64
import io

import numpy as np

from results.atlas.view import SHAPES_DRAWN_AS_LINES, AtlasView

WIDTH, HEIGHT, LANE = 200, 76, 34  # of a shape, in units of its picture; of a lane where a code has several
MOST_POINTS = 400_000  # of all shapes together; what is more is thinned, a point is about 4 bytes
FEWEST_SAMPLES = 24
BAR = 3  # rows of the matrix that the bars of use above it take
LEAST_SHOWN = 0.02  # probability; a cell below it is white


def path(x: np.ndarray, y: np.ndarray) -> str:
    """An SVG path through points, in whole units and relative, which is the shortest; NaN breaks the line."""
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


def shape(view: AtlasView, code: int) -> str:
    """The decoded shape of a code: a line, a lane for each of several channels, or a heat map of many."""
    values = _thinned(view, view.atlas.meaning.shapes[code])
    lanes, samples = values.shape
    title = f"<title>shape of code {code}</title>"
    if lanes > SHAPES_DRAWN_AS_LINES:
        return (
            f'<svg class="shape" viewBox="0 0 {WIDTH} {max(HEIGHT, 4 * lanes)}" role="img">{title}'
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
    return f'<svg class="shape" viewBox="0 0 {WIDTH} {lanes * height}" role="img">{title}{"".join(drawn)}</svg>'


def _thinned(view: AtlasView, values: np.ndarray) -> np.ndarray:
    """Fewer samples `(channels, ...)` where codes and channels are many."""
    codes, lanes, samples = view.atlas.meaning.shapes.shape
    kept = int(np.clip(MOST_POINTS // (codes * lanes), FEWEST_SAMPLES, samples))
    at = np.linspace(0, samples - 1, min(kept, samples))
    return np.stack([np.interp(at, np.arange(samples), row) for row in values])


def _heat(values: np.ndarray, reach: float) -> str:
    """A picture of `(channels, samples)` as a link that holds it: blue below the mean, white at it, red above."""
    from matplotlib import colormaps
    from matplotlib.image import imsave

    file = io.BytesIO()
    imsave(file, colormaps["RdBu_r"](np.clip(values / reach, -1, 1) / 2 + 0.5), format="png", metadata={"Software": ""})
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def matrix(view: AtlasView) -> str:
    """Codes as columns and sub-actions as rows; a cell is as dark as its probability, bars above are the use.

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
    return (
        f'<svg class="matrix" viewBox="0 0 {len(view.used)} {height}" preserveAspectRatio="none" role="img">'
        f'<title>probability of each sub-action, code by code</title>{"".join(columns)}<path class="rule" d="{lines}"/>'
        "</svg>"
    )
