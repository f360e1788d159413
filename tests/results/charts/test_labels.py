"""Names beside points: never nearer to another one, on nothing, inside the frame."""

import numpy as np
import pytest

from results.charts.labels import Scene, place_labels

FRAME = (0.0, 0.0, 900.0, 340.0)
SIZE = np.array([[44.0, 18.0]])
DISTANCES = (18.0, 28.0, 42.0)


def box_of(point, place, size):
    x, y = place.direction
    low = point + (place.x, place.y) + np.array([(x - 1) / 2, (y - 1) / 2]) * size
    return low, low + size


def away(point, low, high):
    return float(np.hypot(*(point - np.clip(point, low, high))))


def test_a_label_stands_below_left_where_nothing_is_in_its_way():
    point = np.array([[400.0, 200.0]])
    (place,) = place_labels([Scene(FRAME, point, point, np.empty((0, 2)))], SIZE, DISTANCES, 7.0)
    assert place.direction == (-1, -1)
    assert np.hypot(place.x, place.y) == pytest.approx(18.0)


def test_no_other_marker_is_nearer_to_a_label_than_its_own():
    own = np.array([[400.0, 200.0]])
    beside = own + np.array([[-32.0, -24.0], [-30.0, 20.0], [25.0, 20.0]])
    (place,) = place_labels([Scene(FRAME, own, np.vstack([own, beside]), np.empty((0, 2)))], SIZE, DISTANCES, 7.0)
    low, high = box_of(own[0], place, SIZE[0])
    assert all(away(own[0], low, high) <= away(marker, low, high) for marker in beside)


@pytest.mark.parametrize("seed", range(6))
def test_labels_of_a_crowd_overlap_nowhere_and_stay_inside(seed):
    random = np.random.default_rng(seed)
    markers = random.uniform([0, 0], [231, 342], size=(40, 2))
    frame = (0.0, 0.0, 231.0, 342.0)
    sizes = np.repeat(SIZE, 3, axis=0)
    places = place_labels([Scene(frame, markers[:3], markers, np.empty((0, 2)))], sizes, DISTANCES, 7.0)
    boxes = [box_of(point, place, size) for point, place, size in zip(markers[:3], places, sizes, strict=True)]
    for number, (low, high) in enumerate(boxes):
        assert (low >= frame[:2]).all()
        assert (high <= frame[2:]).all()
        assert not any((low < b).all() and (high > a).all() for a, b in boxes[:number])


def test_a_place_is_good_in_every_scene():
    wide, narrow = np.array([[400.0, 200.0]]), np.array([[20.0, 200.0]])
    scenes = [Scene(FRAME, wide, wide, np.empty((0, 2))), Scene((0, 0, 231, 340), narrow, narrow, np.empty((0, 2)))]
    (place,) = place_labels(scenes, SIZE, DISTANCES, 7.0)
    assert place.direction[0] == 1, "to the left there is no room in the narrow one"
