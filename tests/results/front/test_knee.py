"""Knees by their definitions, and how sure a choice is."""

import numpy as np
import pytest

from results.front.knee import Rule, Stability, knee, nearest_to_utopia, stabilities
from results.front.noise import Spread

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


SPREAD = Spread(np.diag([0.05, 0.05]) ** 2, freedom=1000)


def stability(means, seeds, rule: Rule, spread=SPREAD) -> Stability:
    (found,) = stabilities(np.asarray(means), np.full(len(means), seeds), spread, REFERENCE, [rule])
    return found


@pytest.mark.parametrize("rule", [knee, nearest_to_utopia])
def test_it_is_how_often_the_point_is_chosen_when_all_are_trained_again(rule) -> None:
    rng = np.random.default_rng(5)
    rivals = np.array([[0.0, 1.0], [0.2, 0.3], [0.33, 0.2], [1.0, 0.0]])
    picks = []
    for moved in rivals + rng.normal(0, 0.05 / np.sqrt(2), (3000, *rivals.shape)):
        best = [n for n, point in enumerate(moved) if not (np.delete(moved, n, 0) <= point).all(axis=1).any()]
        best.sort(key=lambda n, moved=moved: tuple(moved[n]))
        picks.append(best[rule(moved[best], REFERENCE)])
    found = stability(rivals, 2, rule)
    assert found.chosen == rule(rivals, REFERENCE)
    # Four standard errors of the difference between shares of 1000 and of 3000 draws.
    error = 0.5 * (1 / 1000 + 1 / 3000) ** 0.5
    assert found.same == pytest.approx(np.mean(np.array(picks) == found.chosen), abs=4 * error)
    assert 0.5 < found.same < 1


def test_a_point_that_chance_does_not_tell_apart_counts_as_near_and_not_as_the_same() -> None:
    alone = stability(FRONT, 2, knee)
    found = stability([*FRONT, FRONT[1] + [0.01, -0.01]], 2, knee)
    assert alone.near == alone.same
    assert found.near > found.same + 0.2


def test_the_same_arguments_give_the_same_figures() -> None:
    assert stability(FRONT, 1, knee) == stability(FRONT, 1, knee)


def test_rules_asked_together_choose_as_each_alone() -> None:
    found = stabilities(FRONT, np.ones(4, dtype=int), SPREAD, REFERENCE, [knee, nearest_to_utopia])
    assert found == [stability(FRONT, 1, rule) for rule in (knee, nearest_to_utopia)]


def test_more_seeds_make_a_choice_surer() -> None:
    rivals = np.array([[0.0, 1.0], [0.2, 0.3], [0.4, 0.15], [1.0, 0.0]])
    one, three, many = (stability(rivals, seeds, knee).same for seeds in (1, 3, 1000))
    assert one < three < many
    assert many > 0.99


def test_without_seeds_nothing_is_said_of_how_sure_a_choice_is() -> None:
    found = stability(FRONT, 1, knee, spread=None)
    assert found.chosen == knee(FRONT, REFERENCE)
    assert np.isnan([found.same, found.near]).all()


def test_one_point_is_always_chosen() -> None:
    assert stability([[0.3, 0.4]], 1, knee) == Stability(0, 1.0, 1.0)


def test_points_far_behind_change_nothing() -> None:
    assert stability([*FRONT, [0.9, 0.9]], 3, knee) == stability(FRONT, 3, knee)
