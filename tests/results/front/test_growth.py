"""A growing front against the front of all points, made anew after each change."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from results.front.dominance import GrowingFront

COORDINATE = st.integers(0, 4).map(float)
POINT = st.tuples(COORDINATE, COORDINATE)


def brute_front(points):
    return [p for p in points if not any(all(a <= b for a, b in zip(q, p, strict=True)) and q != p for q in points)]


@given(st.lists(st.tuples(st.integers(0, 5), st.none() | POINT), max_size=25))
@settings(max_examples=200, deadline=None)
def test_after_every_change_it_is_the_front_of_what_there_is(changes):
    growing = GrowingFront(2, lambda kept: float(np.sort(kept, axis=0).sum()))
    points = {}
    for number, point in changes:
        growing.set(number, None if point is None else np.array(point))
        points.pop(number, None)
        if point is not None:
            points[number] = point
        expected = brute_front(list(points.values()))
        assert growing.size == len(expected)
        assert growing.volume == sum(map(sum, expected))
