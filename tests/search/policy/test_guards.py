import math

import pytest

from results.records.objectives import Guard
from search.policy.guards import relative_violation, violations


def test_guards_become_constraints_that_are_kept_at_zero_or_less():
    guard = Guard(metric="m", below=1.0, at_least=0.25)
    assert violations(guard, 0.5) == {"below": -0.5, "at_least": -0.25}
    assert violations(guard, 1.5) == {"below": 0.5, "at_least": -1.25}
    assert violations(guard, 0.25)["at_least"] == 0
    assert violations(guard, 1.0)["below"] > 0, "below is strict"
    assert all(amount > 0 and math.isfinite(amount) for amount in violations(guard, math.nan).values())
    assert violations(Guard(metric="m", above=1.0, at_most=2.0), 3.0) == {"above": -2.0, "at_most": 1.0}


def test_the_whole_violation_is_relative_to_the_bounds():
    guards = [Guard(metric="a", below=2.0), Guard(metric="b", at_least=0.1, at_most=4.0), Guard(metric="c", above=0.0)]
    assert relative_violation(guards, {"a": 1.0, "b": 0.2, "c": 1.0}) == 0
    assert relative_violation(guards, {"a": 3.0, "b": 0.05, "c": -2.0}) == pytest.approx(0.5 + 0.5 + 2.0)
    assert relative_violation(guards, {"a": 2.0, "b": 0.2, "c": 1.0}) > 0, "below is strict"
    assert math.isfinite(relative_violation(guards, {"a": 1.0}))
