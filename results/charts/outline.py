"""Owns the outline of a front of two objectives: its staircase, and the area it dominates."""

from __future__ import annotations

import numpy as np

from results.front.overview import Overview
from results.records.objectives import minimised, objective_values


def staircase(view: Overview) -> np.ndarray:
    """Return the points of the front with the attained corners between them, (corners, 2), front end to end."""
    points = objective_values(view.front, view.objectives)
    x, y = np.repeat(points[:, 0], 2)[1:], np.repeat(points[:, 1], 2)[:-1]
    return np.stack([x, y], axis=1)


def attained_outline(view: Overview) -> np.ndarray:
    """Return the staircase lengthened to the reference values, (corners, 2).

    With the reference point as the last corner it encloses the hypervolume; what lies beyond the reference is
    drawn onto it, and encloses nothing.
    """
    corners = staircase(view)
    reference = np.array([objective.reference for objective in view.objectives])
    longer = np.vstack([[corners[0, 0], reference[1]], corners, [reference[0], corners[-1, 1]]])
    clipped = np.minimum(minimised(longer, view.objectives), minimised(reference, view.objectives))
    return minimised(clipped, view.objectives)  # twice negated is as measured
