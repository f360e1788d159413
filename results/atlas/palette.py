"""Colours and letters of sub-actions: every colour goes with a letter, so that none of them has to be told by eye."""

from __future__ import annotations

# Okabe and Ito's blue, vermilion, green and purple, and six more that differ in lightness as well as in hue. Any two,
# the grey of the rest included, are a CIEDE2000 of 10 apart for every kind of colour vision, and 3 : 1 from white.
PALETTE = (
    *("#0072b2", "#d55e00", "#552a6a", "#009e73", "#ba0837", "#0b86ff", "#404000", "#cc79a7", "#02693f", "#002abf"),
)
REST = "#6b7280"  # of sub-actions beyond the palette; their letters tell them apart


def colour(rank: int) -> str:
    """Return the colour of the sub-action that is used as the `rank`-th, from 0."""
    return PALETTE[rank] if rank < len(PALETTE) else REST


def letter(rank: int) -> str:
    """Return the letter of the sub-action that is used as the `rank`-th, from 0: A to Z, then AA, AB and so on."""
    before, last = divmod(rank, 26)
    return (letter(before - 1) if before else "") + chr(ord("A") + last)


def faded(colour: str, probability: float) -> str:
    """Return a colour on white, as strong as a probability: white at 0, itself at 1."""
    parts = [255 - probability * (255 - int(colour[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(part):02x}" for part in parts)


def ink_on(colour: str) -> str:
    """Return black or white, whichever reads better on a colour such as #0072b2 (WCAG's relative luminance)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#ffffff" if 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 else "#000000"
