"""The drawn outline: its corners by hand, its area against the hypervolume."""

import numpy as np
import pytest

from results import read_run
from results.charts.outline import attained_outline, staircase
from results.front.overview import overview


def view_of(folder):
    return overview({"demo": read_run(folder)}, "demo")


def shoelace(corners):
    x, y = corners.T
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def test_corners(maker):
    view = view_of(maker.write(maker.rows([[0.2, 0.9], [0.3, 0.3], [0.9, 0.2]])))
    assert staircase(view).tolist() == [[0.2, 0.9], [0.3, 0.9], [0.3, 0.3], [0.9, 0.3], [0.9, 0.2]]


@pytest.mark.parametrize("directions", [("minimise", "minimise"), ("minimise", "maximise")])
@pytest.mark.parametrize("seed", range(4))
def test_the_shaded_area_is_the_hypervolume(maker, directions, seed):
    objectives = [
        {"metric": metric, "name": metric, "direction": direction, "reference": 0.7}
        for metric, direction in zip(("stitch_fvu", "action_kl_ratio"), directions, strict=True)
    ]
    # Some points lie beyond the reference on one side or both.
    points = np.random.default_rng(seed).uniform(0, 1.2, size=(9, 2))
    view = view_of(maker.write(maker.rows(points), objectives=objectives, guards={}))
    closed = np.vstack([attained_outline(view), [0.7, 0.7]])
    assert shoelace(closed) == pytest.approx(view.hypervolume)
