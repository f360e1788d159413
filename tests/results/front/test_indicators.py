"""Indicators against their definitions, on small sets with ties, duplicates and maximised objectives."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.front.dominance import nondominated
from results.front.indicators import indicators
from results.records.objectives import Objective, minimised

COORDINATE = st.integers(0, 5).map(lambda n: n / 4)


def sets(objectives):
    return st.lists(st.tuples(*[COORDINATE] * objectives), min_size=1, max_size=7)


def goals(count, directions):
    return [
        Objective(metric=f"m{n}", name=f"o{n}", direction=d, reference=1.0 if d == "minimise" else -1.0)
        for n, d in zip(range(count), directions, strict=True)
    ]


def dominates(a, b):
    return all(x <= y for x, y in zip(a, b, strict=True)) and tuple(a) != tuple(b)


def brute_front(points):
    return [p for p in points if not any(dominates(q, p) for q in points)]


def brute_volume(points, reference):
    """The measure of the cells of the grid through all coordinates that some point dominates."""
    axes = [sorted({min(p[n], reference[n]) for p in points} | {reference[n]}) for n in range(len(reference))]
    total = 0.0
    for cell in itertools.product(*(itertools.pairwise(axis) for axis in axes)):
        low = [a for a, _ in cell]
        if any(all(x <= y for x, y in zip(p, low, strict=True)) for p in points):
            total += math.prod(b - a for a, b in cell)
    return total


def brute_epsilon(front, union, unit):
    return max(min(max((a - r) / u for a, r, u in zip(p, t, unit, strict=True)) for p in front) for t in union)


def brute_igd_plus(front, union, unit):
    def short(p, t):
        return math.sqrt(sum(max(0.0, (a - r) / u) ** 2 for a, r, u in zip(p, t, unit, strict=True)))

    targets = set(map(tuple, union))
    return math.fsum(min(short(p, t) for p in front) for t in targets) / len(targets)


def brute_unit(union, reference):
    unit = []
    for n, bound in enumerate(reference):
        column = [p[n] for p in union]
        extent = max(column) - min(column) or bound - min(column)
        unit.append(extent if extent > 0 else 1.0)
    return unit


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_all_indicators_are_what_they_are_defined_to_be(count, data):
    points, others = data.draw(sets(count)), data.draw(sets(count))
    directions = data.draw(st.lists(st.sampled_from(["minimise", "maximise"]), min_size=count, max_size=count))
    objectives = goals(count, directions)
    reference = [1.0] * count  # of either direction, once to be minimised
    turned = minimised(minimised(np.array(points), objectives), objectives)
    np.testing.assert_array_equal(turned, points)
    union = brute_front([*points, *others])
    found = indicators(np.array(points), np.array(union), objectives)
    front = brute_front(points)
    assert sorted(map(tuple, nondominated(np.array(points)))) == sorted(front)
    assert found.front_size == len(front)
    assert found.hypervolume == pytest.approx(brute_volume(front, reference), abs=1e-12)
    unit = brute_unit(union, reference)
    assert found.additive_epsilon == pytest.approx(brute_epsilon(front, union, unit), abs=1e-12)
    assert found.igd_plus == pytest.approx(brute_igd_plus(front, union, unit), abs=1e-12)
    whole = brute_volume(union, reference)
    if whole > 0:
        assert found.hypervolume_share == pytest.approx(found.hypervolume / whole)
    else:
        assert math.isnan(found.hypervolume_share)
    on = sum(1 for p in front if not any(dominates(q, p) for q in others))
    assert found.union_points == on
    assert found.union_share == pytest.approx(on / len(union))


def test_an_empty_front_is_as_bad_as_can_be():
    found = indicators(np.empty((0, 2)), np.array([[0.5, 0.5]]), goals(2, ["minimise"] * 2))
    assert found[:3] == (0, 0.0, 0.0)
    assert found[5:] == (0, 0.0)
    assert math.isnan(found.additive_epsilon)
    assert math.isnan(found.igd_plus)
