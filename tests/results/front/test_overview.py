import pandas as pd
import pytest

from results.front.overview import beyond_reference
from results.records.objectives import Objective

OBJECTIVES = tuple(
    Objective(metric=name, name=name, direction=direction, reference=reference)
    for name, direction, reference in (("a", "minimise", 1.0), ("b", "maximise", 0.5))
)


@pytest.mark.parametrize(
    ("a", "b", "told"), [(0.5, 0.75, False), (1.5, 0.75, True), (0.5, 0.25, True), (1.0, 0.75, True)]
)
def test_a_front_beyond_the_reference_is_told_of(a: float, b: float, told: bool) -> None:
    lines = beyond_reference(pd.DataFrame({"a": [a], "b": [b]}), OBJECTIVES)
    assert bool(lines) == told
    assert all("every objective (a 1, b 0.5), so its hypervolume is 0" in line for line in lines)
    assert beyond_reference(pd.DataFrame({"a": [], "b": []}), OBJECTIVES) == ()
