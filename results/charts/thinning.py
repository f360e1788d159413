"""Owns how a picture of very many things is thinned: evenly, always the same, and never without saying so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def evenly(count: int, most: int) -> np.ndarray:
    """Return positions to keep of a sequence, ascending: all if they are few enough, else evenly spread, both ends in.

    Args:
        count: Length of the sequence.
        most: How many to keep at most, at least 2.
    """
    if count <= most:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, most).round().astype(int))


def steps(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the positions at which a staircase changes, with both its ends: drawn as steps they are the same line."""
    values = np.asarray(values, dtype=float)
    if len(values) < 3:
        return np.arange(len(values))
    changed = np.flatnonzero(np.diff(values) != 0) + 1
    return np.unique(np.concatenate([[0], changed, [len(values) - 1]]))


def thinned_note(drawn: int, total: int, what: str) -> str:
    """Say how many of all are drawn; "" if all are."""
    return f"{drawn:,} of {total:,} {what} are drawn, evenly spread over the record" if drawn < total else ""
