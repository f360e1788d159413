"""The palettes, as eyes of all kinds see them: worked out from the standards' formulas, not from a library.

sRGB and CIELAB by IEC 61966-2-1 and CIE 15 (D65); CIEDE2000 by Sharma, Wu and Dalal (2005), whose test pairs are below;
missing cones by Machado, Oliveira and Fernandes (2009), at full severity.
"""

from itertools import combinations

import numpy as np
import pytest

from results.charts.curves import COLOURS
from results.charts.style import CATEGORICAL, INK, LINE, MISSING_COLOUR, SEQUENTIAL, SOFT, STATE_COLOURS

EYES = {
    "all cones": np.eye(3),
    "no green cones": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "no red cones": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
)
WHITE = np.array([0.95047, 1.0, 1.08883])
# A difference of 2 is seen side by side; apart, as small marks, more is needed. Okabe and Ito's eight colours, made to
# be told apart so, differ by at least 11 under these three.
LEAST_DIFFERENCE = 15.0
LEAST_CONTRAST = 3.0  # WCAG 2.2, 1.4.11, for what carries meaning and is no text
LEAST_TEXT_CONTRAST = 4.5


def linear(colour):
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def contrast_on_white(colour):
    return 1.05 / (float(TO_XYZ[1] @ linear(colour)) + 0.05)


def lab(light):
    x, y, z = ((t > 216 / 24389) * np.cbrt(t) or (24389 / 27 * t + 16) / 116 for t in TO_XYZ @ light / WHITE)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def difference(first, second):
    """CIEDE2000 of two colours of CIELAB."""
    (l1, a1, b1), (l2, a2, b2) = first, second
    mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1 + 0.5 * (1 - np.sqrt(mean**7 / (mean**7 + 25.0**7)))
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    turn = (h2 - h1 + 180) % 360 - 180
    lightness, chroma, hue = (l1 + l2) / 2, (c1 + c2) / 2, np.radians((h1 + turn / 2) % 360)
    t = 1 - 0.17 * np.cos(hue - np.pi / 6) + 0.24 * np.cos(2 * hue)
    t += 0.32 * np.cos(3 * hue + np.radians(6)) - 0.2 * np.cos(4 * hue - np.radians(63))
    of_l = (l2 - l1) / (1 + 0.015 * (lightness - 50) ** 2 / np.sqrt(20 + (lightness - 50) ** 2))
    of_c = (c2 - c1) / (1 + 0.045 * chroma)
    of_h = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2)) / (1 + 0.015 * chroma * t)
    twist = np.sin(np.radians(60 * np.exp(-(((np.degrees(hue) - 275) / 25) ** 2))))
    twist *= -2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    return float(np.sqrt(of_l**2 + of_c**2 + of_h**2 + twist * of_c * of_h))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_formula_is_that_of_its_test_pairs(first, second, expected):
    assert difference(first, second) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("eyes", EYES)
def test_named_colours_are_told_apart(eyes):
    seen = {colour: lab(np.clip(np.array(EYES[eyes]) @ linear(colour), 0, 1)) for colour in CATEGORICAL}
    close = {pair: difference(*(seen[c] for c in pair)) for pair in combinations(CATEGORICAL, 2)}
    assert min(close.values()) >= LEAST_DIFFERENCE, min(close, key=close.get)


def test_what_carries_meaning_stands_out_from_white():
    faint = {c: contrast_on_white(c) for c in (*CATEGORICAL, MISSING_COLOUR, LINE, *COLOURS.values())}
    assert {colour: value for colour, value in faint.items() if value < LEAST_CONTRAST} == {}


def test_white_numbers_can_be_read_on_the_bars_of_states_and_grey_text_on_white():
    faint = {colour: contrast_on_white(colour) for colour in (*STATE_COLOURS.values(), SOFT, INK)}
    assert {colour: value for colour, value in faint.items() if value < LEAST_TEXT_CONTRAST} == {}


@pytest.mark.parametrize("eyes", EYES)
def test_shades_of_numbers_get_lighter(eyes):
    lightness = [lab(np.clip(np.array(EYES[eyes]) @ linear(colour), 0, 1))[0] for colour in SEQUENTIAL]
    assert (np.diff(lightness) > 5).all()
