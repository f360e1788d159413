"""Owns how far an axis reaches: every point that counts is shown, a hopeless one does not squash the rest."""

from __future__ import annotations

import numpy as np

from results.front.overview import Overview

MARGIN_FRACTION = 0.13


def axis_limits(
    view: Overview, values: np.ndarray, reference: float, seeds: np.ndarray | None = None
) -> tuple[float, float]:
    """Return the limits of an axis.

    All points that count are inside, with their seeds; those that break a guard are if they lie no farther away than
    the range of the others.

    Args:
        view: What is drawn.
        values: The axis' value of each point, (points,).
        reference: Shown with 0 if there is no finished trial.
        seeds: The axis' values of seeds that are drawn beside their points; None for none.
    """
    verdicts = np.array(view.verdicts, dtype=object)
    counted = values[np.isin(verdicts, ["front", "dominated"])]
    counted = counted if seeds is None or not len(counted) else np.concatenate([counted, seeds])
    broken = values[verdicts == "guard"]
    shown = counted if len(counted) else broken
    if not len(shown):
        shown = np.array([0.0, reference])
    low, high = float(shown.min()), float(shown.max())
    span = (high - low) or abs(high) * 0.2 or 1.0
    near = broken[(broken >= low - span) & (broken <= high + span)]
    low, high = min([low, *near]), max([high, *near])
    margin = MARGIN_FRACTION * (high - low) or span
    return low - margin, high + margin


def outside_note(view: Overview, points: np.ndarray, x: tuple[float, float], y: tuple[float, float]) -> str:
    """Say how many points lie outside the limits; "" if none does."""
    visible = np.array([verdict != "unfinished" for verdict in view.verdicts], dtype=bool)
    low, high = np.transpose([x, y])
    inside = (points >= low).all(axis=1) & (points <= high).all(axis=1)
    outside = int((visible & ~inside).sum())
    return f"{outside} guard-breaking trial{'s' if outside > 1 else ''} outside" if outside else ""
