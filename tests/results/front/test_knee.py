"""Knees by their definitions, and how sure a choice is."""

import itertools

import numpy as np
import pytest

from results.front.knee import Rule, Stability, knee, nearest_to_utopia, stabilities

ONE = np.ones(2)


def test_farthest_below_the_chord():
    # Chord from (0, 1) to (1, 0); distances of the middle points: 0.5/√2, 0.65/√2, 0.3/√2.
    points = np.array([[0.0, 1.0], [0.1, 0.4], [0.2, 0.15], [0.6, 0.1], [1.0, 0.0]])
    assert knee(points, ONE) == 2


def test_scaling_of_the_axes_does_not_matter():
    points = np.array([[0.0, 1.0], [0.1, 0.4], [0.2, 0.15], [0.6, 0.1], [1.0, 0.0]])
    assert knee(points * [1000, 0.01] + [5, -3], np.array([1005, -2.99])) == 2


def test_one_point():
    assert knee(np.array([[0.3, 0.4]]), ONE) == 0
    assert knee(np.array([[0.3]]), np.ones(1)) == 0


def test_two_points_are_told_apart_by_what_each_dominates():
    # Alone up to (1, 1): 0.7 · 0.1 = 0.07 and 0.1 · 0.11 = 0.011.
    assert knee(np.array([[0.3, 0.9], [0.9, 0.89]]), ONE) == 0
    assert knee(np.array([[0.89, 0.9], [0.9, 0.3]]), ONE) == 1


def test_concave_front_takes_the_balanced_point_and_no_end():
    angles = np.radians([0, 20, 42, 70, 90])
    points = np.stack([np.sin(angles), np.cos(angles)], axis=1)  # bulges away from the ideal point
    assert knee(points, ONE * 2) == 2


def test_straight_front_takes_the_middle():
    x = np.array([0.0, 0.2, 0.5, 0.9, 1.0])
    assert knee(np.stack([x, 1 - x], axis=1), ONE * 2) == 2


def test_equal_points_give_the_first():
    assert knee(np.array([[0.5, 0.5]] * 3), ONE) == 0


def test_three_objectives_take_the_compromise():
    points = np.vstack([np.eye(3), [[0.2, 0.3, 0.2]], [[0.5, 0.1, 0.6]]])
    assert knee(points, np.ones(3)) == 3


def nearest_by_hand(points):
    """The point with the smallest scaled distance to the best of each objective, one by one."""
    lows, highs = points.min(axis=0), points.max(axis=0)
    distances = [sum(((p - lows) / (highs - lows)) ** 2) ** 0.5 for p in points]
    return distances.index(min(distances))


@pytest.mark.parametrize("objectives", [2, 3])
def test_the_nearest_to_utopia_is_found_by_hand(objectives):
    rng = np.random.default_rng(3)
    for _ in range(50):
        points = rng.uniform(size=(9, objectives))
        assert nearest_to_utopia(points, np.ones(objectives)) == nearest_by_hand(points)


def test_utopia_is_scale_free_and_works_on_few_points():
    points = np.array([[0.0, 1.0], [0.3, 0.3], [0.1, 0.8], [1.0, 0.0]])
    assert nearest_to_utopia(points, np.ones(2)) == 1
    assert nearest_to_utopia(points * [1000.0, 1e-3], np.array([1000.0, 1e-3])) == 1
    assert nearest_to_utopia(np.array([[0.5, 0.5]]), np.ones(2)) == 0
    two = np.array([[0.1, 0.9], [0.4, 0.2]])  # equally far, as always with two; the second dominates more
    assert nearest_to_utopia(two, np.ones(2)) == 1


def test_the_rules_differ_where_a_bend_lies_near_an_end():
    points = np.array([[0.0, 1.0], [0.02, 0.55], [0.4, 0.4], [0.42, 0.1], [1.0, 0.0]])
    below = (1 - points.sum(axis=1)) / np.sqrt(2)
    assert knee(points, np.ones(2)) == int(np.argmax(below)) == 3
    uneven = np.array([[0.0, 1.0], [0.02, 0.60], [0.38, 0.38], [1.0, 0.0]])
    assert knee(uneven, np.ones(2)) == 1
    assert nearest_to_utopia(uneven, np.ones(2)) == 2


FRONT = np.array([[0.0, 1.0], [0.2, 0.3], [0.55, 0.2], [1.0, 0.0]])
REFERENCE = np.array([1.1, 1.1])


def stability(seeds, reference, rule: Rule, **others) -> Stability:
    (found,) = stabilities(seeds, reference, [rule], **others)
    return found


def by_hand(points: np.ndarray, rule, near: float) -> Stability:
    """Every resample of a handful of points, each as likely as the next."""
    extent = np.ptp(points, axis=0)
    chosen = rule(points, REFERENCE)
    same = close = held = 0
    draws = list(itertools.product(range(len(points)), repeat=len(points)))
    for draw in draws:
        members = sorted(set(draw))
        pick = members[rule(points[members], REFERENCE)]
        same += pick == chosen
        close += bool(np.all(np.abs(points[pick] - points[chosen]) <= near * extent))
        held += chosen in members
    return Stability(chosen, same / len(draws), close / len(draws), held / len(draws))


@pytest.mark.parametrize("rule", [knee, nearest_to_utopia])
def test_it_approaches_the_enumeration_of_all_resamples(rule) -> None:
    points = np.vstack([FRONT, [[0.21, 0.31]]])[:4] if rule is knee else FRONT
    expected = by_hand(points, rule, 0.05)
    found = stability([point[None] for point in points], REFERENCE, rule, resamples=4000)
    assert found.chosen == expected.chosen
    # Four standard errors of a share of 4000 draws.
    assert found[1:] == pytest.approx(expected[1:], abs=4 * 0.5 / 4000**0.5)
    assert expected.held == pytest.approx(1 - (1 - 1 / 4) ** 4)


def test_a_point_nearby_counts_as_near_and_not_as_the_same() -> None:
    twin = FRONT[1] + [0.01, -0.01]
    alone = stability([point[None] for point in FRONT], REFERENCE, knee)
    found = stability([point[None] for point in [*FRONT, twin]], REFERENCE, knee)
    assert alone.near == alone.same
    assert found.near > found.same + 0.1
    assert found.near > alone.near


def test_the_same_seed_gives_the_same_figures() -> None:
    seeds = [point[None] for point in FRONT]
    assert stability(seeds, REFERENCE, knee) == stability(seeds, REFERENCE, knee)
    assert stability(seeds, REFERENCE, knee) != stability(seeds, REFERENCE, knee, seed=1)


def test_rules_asked_together_choose_as_each_alone() -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, (4, 3, 2))
    seeds = list(FRONT[:, None] + noise)
    found = stabilities(seeds, REFERENCE, [knee, nearest_to_utopia])
    assert found == [stability(seeds, REFERENCE, rule) for rule in (knee, nearest_to_utopia)]


def test_seeds_that_scatter_make_a_choice_less_sure() -> None:
    rivals = np.array([[0.0, 1.0], [0.2, 0.3], [0.4, 0.15], [1.0, 0.0]])
    noise = np.random.default_rng(0).normal(size=(4, 3, 2))
    noise -= noise.mean(axis=1, keepdims=True)  # the means stay
    sure, unsure = (stability(list(rivals[:, None] + scale * noise), REFERENCE, knee) for scale in (1e-6, 0.3))
    assert sure.chosen == unsure.chosen == 1
    assert unsure.same < sure.same - 0.05


def test_one_point_is_always_chosen() -> None:
    assert stability([np.array([[0.3, 0.4]])], REFERENCE, knee) == Stability(0, 1.0, 1.0, 1.0)


def test_dominated_points_are_never_chosen_while_the_front_is_drawn() -> None:
    points = [*FRONT, np.array([0.9, 0.9])]
    found = stability([point[None] for point in points], REFERENCE, knee)
    assert found.chosen == 1
    assert 0.5 < found.same <= found.held
