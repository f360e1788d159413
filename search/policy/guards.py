"""By how much a trial breaks its guards: the constraints of samplers and of early stopping."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence

from results.records.objectives import Guard

UNMEASURED_VIOLATION = 1e6


def violations(guard: Guard, value: float) -> dict[str, float]:
    """Return by how much a value breaks each bound of a guard; above 0 it is broken, and NaN breaks every bound."""
    excess = {
        "below": None if guard.below is None else value - guard.below,
        "at_most": None if guard.at_most is None else value - guard.at_most,
        "above": None if guard.above is None else guard.above - value,
        "at_least": None if guard.at_least is None else guard.at_least - value,
    }
    strict = {"below", "above"}
    given = {bound: amount for bound, amount in excess.items() if amount is not None}
    return {bound: _violation(amount, bound in strict) for bound, amount in given.items()}


def relative_violation(guards: Sequence[Guard], metrics: Mapping[str, float]) -> float:
    """Return by how much metrics break guards in all, each bound's excess as a share of the bound; 0 breaks none.

    A metric that is missing breaks every bound on it.
    """
    total = 0.0
    for guard in guards:
        for bound, amount in violations(guard, metrics.get(guard.metric, math.nan)).items():
            total += max(0.0, amount) / (abs(getattr(guard, bound)) or 1.0)
    return total


def _violation(amount: float, strict: bool) -> float:
    if not math.isfinite(amount):
        return -UNMEASURED_VIOLATION if amount < 0 else UNMEASURED_VIOLATION
    return sys.float_info.min if strict and amount == 0 else amount
