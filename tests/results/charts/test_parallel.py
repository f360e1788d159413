"""Parallel coordinates: where lines cross the axes, by hand, and how many of many are drawn."""

import numpy as np
import pytest

from results import read_run
from results.charts.parallel import MISSING_PLACE, parallel_lines
from results.front.overview import overview

PARAMETERS = {
    "rate": {"type": "log", "low": 1e-4, "high": 1e-2},
    "layers": {"type": "int", "low": 1, "high": 5},
    "kind": {"type": "choice", "values": ["a", "b"]},
}


def lines_of(maker, rows, **changes):
    return parallel_lines(overview({"demo": read_run(maker.write(rows, **changes))}, "demo"))


def row(maker, number, x, y, **parameters):
    taken = ("codebook_size", "action_weight", "num_sub_actions", "method")
    made = maker.row(number, stitch_fvu=x, action_kl_ratio=y, window_samples=16.0, **parameters)
    return {name: value for name, value in made.items() if name not in taken}


def test_places_by_hand(maker):
    rows = [
        row(maker, 0, 0.2, 0.8, rate=1e-4, layers=1, kind="a"),
        row(maker, 1, 0.6, 0.4, rate=1e-3, layers=2, kind="b"),
        row(maker, 2, 0.4, 0.6, rate=1e-2, layers=None, kind="b"),
        row(maker, 3, 0.6, 0.8, rate=1e-2, layers=5, kind="a"),
    ]
    found = lines_of(maker, rows, parameters=PARAMETERS)
    assert [axis.title for axis in found.axes] == ["rate", "layers", "kind", "stitch_fvu", "action_kl_ratio"]
    assert found.rows == [3, 0, 1, 2], "the front on top"
    places = dict(zip(found.rows, found.places, strict=True))
    assert [places[n][0] for n in range(4)] == pytest.approx([0, 0.5, 1, 1])
    assert [places[n][1] for n in range(4)] == pytest.approx([0, 0.25, MISSING_PLACE, 1])
    # Two values, 0.25 and 0.75; lines through one of them spread over half of the distance, by the first objective.
    assert [places[n][2] for n in range(4)] == pytest.approx([0.125, 0.875, 0.625, 0.375])
    assert [places[n][3] for n in range(4)] == pytest.approx([1, 0, 0.5, 0])
    assert [places[n][4] for n in range(4)] == pytest.approx([0, 1, 0.5, 0])
    assert found.axes[0].ticks == [(pytest.approx(0), "0.0001"), (pytest.approx(0.5), "0.001"), (1, "0.01")]
    assert found.axes[1].ticks == [(MISSING_PLACE, "not set"), (0, "1"), (0.5, "3"), (1, "5")]
    assert found.axes[2].ticks == [(0.25, "a"), (0.75, "b")]
    assert found.axes[3].ticks == [(1, "0.2"), (0.5, "0.4"), (0, "0.6")]


def test_whole_numbers_may_be_logarithmic_and_choices_null_or_lists(maker):
    parameters = {
        "size": {"type": "int", "low": 1, "high": 100, "log": True},
        "kind": {"type": "choice", "values": [None, [64, 64]]},
    }
    points = [(1, "null"), (10, "[64, 64]"), (100, None)]
    rows = [row(maker, n, 0.2 + 0.1 * n, 0.8, size=size, kind=kind) for n, (size, kind) in enumerate(points)]
    found = lines_of(maker, rows, parameters=parameters)
    places = dict(zip(found.rows, found.places, strict=True))
    assert [places[n][0] for n in range(3)] == pytest.approx([0, 0.5, 1])
    assert [places[n][1] for n in range(3)] == pytest.approx([0.25, 0.75, MISSING_PLACE])
    assert found.axes[0].ticks == [(0, "1"), (pytest.approx(0.5), "10"), (1, "100")]
    assert found.axes[1].ticks == [(MISSING_PLACE, "not set"), (0.25, "null"), (0.75, "[64, 64]")]


def test_of_many_a_share_is_drawn_and_every_named_one(maker):
    random = np.random.default_rng(0)
    front = [[x, 1 - x] for x in np.linspace(0.01, 0.99, 100)]
    found = lines_of(maker, maker.rows([*front, *random.uniform(0.6, 0.9, (400, 2))]), curves=False, artefacts=False)
    assert (found.others, found.fronts) == (400, 100)
    assert sum(verdict == "dominated" for verdict in found.verdicts) == 300
    assert 60 <= found.verdicts.count("front") <= 63
    assert np.isfinite(found.places).all()
    assert ((found.places >= 0) & (found.places <= 1)).all()


def test_nothing_finished(maker):
    assert lines_of(maker, [maker.row(0, "failed")]).rows == []
