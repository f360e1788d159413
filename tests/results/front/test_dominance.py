"""Points near a front, and a front that grows, against brute force."""

import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.front.dominance import NEAR_FRACTION, GrowingFront, front_extent, near_front

REFERENCE = np.array([1.0, 1.0])


def brute_force(points, front, share):
    found = []
    for point in points:
        better = [
            value - share * (max(column) - min(column)) for value, column in zip(point, np.array(front).T, strict=True)
        ]
        dominated = any(
            all(q <= p for q, p in zip(other, better, strict=True))
            and any(q < p for q, p in zip(other, better, strict=True))
            for other in front
        )
        found.append(not dominated)
    return found


def test_points_by_hand():
    front = np.array([[0.0, 0.8], [0.2, 0.2], [0.4, 0.0]])  # reaches over 0.4 and 0.8, so 5 % are 0.02 and 0.04
    points = np.array([[0.21, 0.9], [0.219, 0.239], [0.221, 0.239], [0.219, 0.241], [0.221, 0.241], [0.01, 0.83]])
    assert near_front(points, front, REFERENCE).tolist() == [False, True, True, True, False, True]
    assert NEAR_FRACTION == 0.05


def test_agrees_with_brute_force_and_holds_the_front():
    rng = np.random.default_rng(0)
    for objectives in (2, 3):
        for _ in range(20):
            points = rng.random((30, objectives))
            best = moocore.is_nondominated(points)
            front = points[best]
            if len(front) < 2:
                continue
            found = near_front(points, front, np.ones(objectives), 0.1)
            assert found[best].all()
            assert found.tolist() == brute_force(points.tolist(), front.tolist(), 0.1)


def test_a_front_of_one_point_reaches_as_far_as_the_reference():
    assert front_extent(np.array([[0.2, 0.6]]), REFERENCE).tolist() == [0.8, 0.4]
    assert front_extent(np.array([[0.2, 3.0]]), REFERENCE).tolist() == [0.8, 1.0]
    assert front_extent(np.empty((0, 2)), REFERENCE).tolist() == [1.0, 1.0]
    points = np.array([[0.2, 0.6], [0.23, 0.7], [0.25, 0.61], [0.25, 0.63]])
    assert near_front(points, points[:1], REFERENCE).tolist() == [True, True, True, False]
    one = np.array([[0.2], [0.23], [0.25]])
    assert near_front(one, one[:1], np.array([1.0])).tolist() == [True, True, False]


COORDINATE = st.integers(0, 4).map(float)
POINT = st.tuples(COORDINATE, COORDINATE)


def brute_front(points):
    return [p for p in points if not any(all(a <= b for a, b in zip(q, p, strict=True)) and q != p for q in points)]


@pytest.mark.slow
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
