"""The knee by hand."""

import numpy as np

from results.knee import knee

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
