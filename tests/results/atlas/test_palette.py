"""Colours of sub-actions for every kind of colour vision, computed here from the definitions."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from results.atlas.palette import PALETTE, REST, colour, faded, ink_on, letter

# Of linear sRGB, for a full loss of one kind of cones (Machado, Oliveira and Fernandes 2009).
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
# As far apart as the closest two of Okabe and Ito's eight colours, 10.9 for tritanopia, and no less than 10.
APART = 10.0


def linear(colours: tuple[str, ...]) -> np.ndarray:
    parts = np.array([[int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)] for text in colours])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB of linear sRGB, `(n, 3)`, for the white point D65."""
    t = rgb @ np.array(TO_XYZ).T / [0.95047, 1.0, 1.08883]
    x, y, z = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def ciede2000(first: np.ndarray, second: np.ndarray) -> float:
    """The difference of two colours in CIELAB, as Sharma, Wu and Dalal (2005) write it down."""
    (l1, a1, b1), (l2, a2, b2) = first, second
    grey = 0.5 * (1 - np.sqrt(1 / (1 + (50 / max(np.hypot(a1, b1) + np.hypot(a2, b2), 1e-9)) ** 7)))
    a1, a2 = a1 * (1 + grey), a2 * (1 + grey)
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = (h2 - h1 + 180) % 360 - 180
    hue, chroma, light = np.radians((h1 + turn / 2) % 360), (c1 + c2) / 2, (l1 + l2) / 2
    t = 1 - 0.17 * np.cos(hue - np.pi / 6) + 0.24 * np.cos(2 * hue)
    t += 0.32 * np.cos(3 * hue + np.radians(6)) - 0.2 * np.cos(4 * hue - np.radians(63))
    by_light = (l2 - l1) / (1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2))
    by_chroma = (c2 - c1) / (1 + 0.045 * chroma)
    by_hue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2)) / (1 + 0.015 * chroma * t)
    bend = 60 * np.exp(-(((np.degrees(hue) - 275) / 25) ** 2))
    twist = -2 * np.sqrt(1 / (1 + (25 / max(chroma, 1e-9)) ** 7)) * np.sin(np.radians(bend))
    return float(np.sqrt(by_light**2 + by_chroma**2 + by_hue**2 + twist * by_chroma * by_hue))


def contrast(first: str, second: str) -> float:
    """WCAG's contrast of two colours."""
    dark, light = sorted(linear((first, second)) @ [0.2126, 0.7152, 0.0722])
    return float((light + 0.05) / (dark + 0.05))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ],
)
def test_the_difference_is_the_published_one(first: tuple, second: tuple, expected: float) -> None:
    assert ciede2000(np.array(first), np.array(second)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("vision", VISION)
def test_any_two_colours_differ_for_every_colour_vision(vision: str) -> None:
    colours = (*PALETTE, REST)
    seen = lab(np.clip(linear(colours) @ np.array(VISION[vision]).T, 0, 1))
    near = {
        (colours[i], colours[j]): ciede2000(seen[i], seen[j])
        for i, j in product(range(len(colours)), repeat=2)
        if i < j
    }
    assert len(set(colours)) == len(colours) == 11
    assert {pair: apart for pair, apart in near.items() if apart < APART} == {}


def test_frames_are_seen_on_white() -> None:
    assert min(contrast(one, "#ffffff") for one in (*PALETTE, REST)) >= 3.0


@pytest.mark.parametrize("one", [*PALETTE, REST])
def test_what_is_written_on_a_colour_can_be_read_at_every_probability(one: str) -> None:
    fills = [faded(one, p) for p in np.linspace(0, 1, 41)]
    assert (fills[0], fills[-1]) == ("#ffffff", one)
    assert min(contrast(ink_on(fill), fill) for fill in fills) >= 4.5


def test_every_sub_action_has_a_letter_of_its_own_and_the_rest_share_a_colour() -> None:
    letters = {0: "A", 1: "B", 25: "Z", 26: "AA", 27: "AB", 51: "AZ", 52: "BA", 701: "ZZ", 702: "AAA"}
    assert {rank: letter(rank) for rank in letters} == letters
    assert [colour(rank) for rank in (0, 9, 10, 40)] == [PALETTE[0], PALETTE[9], REST, REST]
