"""Owns how a value reads in a table or a hover text: short, where the records are exact."""

from __future__ import annotations

import math

from results.records.files import cell

MISSING = "–"  # of a parameter that a point does not have


def short(value: object) -> str:
    """Return a value for reading: floats with four significant digits, "" for a missing one."""
    if hasattr(value, "item") and not isinstance(value, str | bytes):
        value = value.item()
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    return cell(value)
