"""Non-domination and hypervolume against brute force; who may be on a front; the history."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from results.exceptions import RecordError
from results.front.front import (
    best_points,
    broken_guards,
    front,
    hypervolume,
    hypervolume_history,
    seconds_of_work,
    summarise,
)
from results.records.objectives import Guard, Objective, minimised
from results.records.run import read_trials


def objectives(count, directions=None, reference=1.0):
    directions = directions or ["minimise"] * count
    return [
        Objective(metric=f"m{n}", name=f"o{n}", direction=d, reference=reference if d == "minimise" else 0.0)
        for n, d in enumerate(directions)
    ]


def trials(points, state="finished"):
    points = np.asarray(points, dtype=float)
    columns = {f"m{n}": points[:, n] for n in range(points.shape[1])}
    return pd.DataFrame({"trial": [str(n) for n in range(len(points))], "state": state, **columns})


def dominates(a, b):
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))


def brute_front(points):
    return {n for n, p in enumerate(points) if not any(dominates(q, p) for q in points)}


def inclusion_exclusion(points, reference):
    total = 0.0
    for size in range(1, len(points) + 1):
        for chosen in combinations(points, size):
            corner = np.max(chosen, axis=0)
            total += (-1) ** (size + 1) * np.prod(np.maximum(np.subtract(reference, corner), 0.0))
    return total


def random_sets(count):
    """Small sets on a coarse grid, so that ties and duplicates are common; some beyond the reference."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        yield rng.integers(0, 7, size=(int(rng.integers(1, 10)), count)) / 5.0


@pytest.mark.parametrize("count", [1, 2, 3])
def test_front_and_hypervolume_agree_with_brute_force(count):
    for points in random_sets(count):
        rows = front(trials(points), objectives(count), [])
        assert {int(trial) for trial in rows["trial"]} == brute_front(points.tolist())
        expected = inclusion_exclusion(points, np.ones(count))
        assert hypervolume(rows, objectives(count)) == pytest.approx(expected, abs=1e-12)
        assert hypervolume(trials(points), objectives(count)) == pytest.approx(expected, abs=1e-12)


def test_maximising_is_minimising_the_negative():
    for points in random_sets(2):
        mirrored = points * [1, -1]
        goals = [
            Objective(metric="m0", name="o0", reference=1.0),
            Objective(metric="m1", name="o1", direction="maximise", reference=-1.0),
        ]
        plain, turned = (
            front(trials(points), objectives(2), []),
            front(trials(mirrored), goals, []),
        )
        assert list(plain["trial"]) == list(turned["trial"])
        assert hypervolume(turned, goals) == pytest.approx(hypervolume(plain, objectives(2)))


def test_order_of_the_rows_does_not_matter():
    for seed, points in enumerate(random_sets(2)):
        frame = trials(points)
        shuffled = frame.sample(frac=1.0, random_state=seed).reset_index(drop=True)
        pd.testing.assert_frame_equal(front(frame, objectives(2), []), front(shuffled, objectives(2), []))


def test_equal_points_are_all_kept_and_the_first_gets_the_name():
    rows = front(trials([[0.1, 0.9], [0.1, 0.9], [0.2, 0.2], [0.9, 0.1]]), objectives(2), [])
    assert list(rows["trial"]) == ["0", "1", "2", "3"]
    assert list(rows["names"]) == ["o0", "", "knee", "o1"]


def test_trials_are_ordered_by_number_among_equals():
    frame = trials([[0.5, 0.5]] * 11)
    assert list(front(frame, objectives(2), [])["trial"]) == [str(n) for n in range(11)]


def test_only_finished_finite_and_guarded_trials_count():
    frame = trials([[0.5, 0.5], [0.1, 0.1], [np.nan, 0.1], [-np.inf, 0.1], [0.2, 0.2], [0.3, 0.3]])
    frame["state"] = ["finished", "failed", "finished", "finished", "finished", "finished"]
    frame["size"] = [8.0, 9.0, 9.0, 9.0, np.nan, 7.9]
    rows = front(frame, objectives(2), [Guard(metric="size", at_least=8)])
    assert list(rows["trial"]) == ["0"]


def test_guard_bounds_are_strict_where_they_say_so():
    values = np.array([0.5, 1.0, 1.5, np.nan])
    assert Guard(metric="m", below=1.0).holds(values).tolist() == [True, False, False, False]
    assert Guard(metric="m", at_most=1.0).holds(values).tolist() == [True, True, False, False]
    assert Guard(metric="m", above=1.0).holds(values).tolist() == [False, False, True, False]
    assert Guard(metric="m", at_least=1.0).holds(values).tolist() == [False, True, True, False]
    assert Guard(metric="m", at_least=0.6, below=1.5).holds(values).tolist() == [False, True, False, False]


def test_broken_guards_are_named():
    frame = trials([[0.5, 2.0], [2.0, 2.0], [0.1, 0.1]])
    guards = [Guard(metric="m0", below=1), Guard(metric="m1", at_most=1)]
    assert broken_guards(frame, guards) == ["m1 ≤ 1", "m0 < 1, m1 ≤ 1", ""]


def test_missing_columns_are_named():
    frame = trials([[0.5, 0.5]])
    with pytest.raises(RecordError, match="guard 'windows': no trial recorded"):
        front(frame, objectives(2), [Guard(metric="windows", at_least=1)])
    with pytest.raises(RecordError, match="objective 'm2': no trial recorded"):
        front(frame, objectives(3), [])
    assert front(trials([[0.5, 0.5]], state="failed"), objectives(3), []).empty


def test_minimised_turns_values_and_references_alike():
    goals = objectives(2, ["minimise", "maximize"])
    assert minimised(np.array([[1.0, 2.0], [3.0, -4.0]]), goals).tolist() == [[1, -2], [3, 4]]
    assert minimised(np.array([1.0, 0.5]), goals).tolist() == [1, -0.5]


def test_objectives_and_guards_refuse_what_they_cannot_be():
    assert Objective(metric="m", name="o", direction="minimize", reference=1).direction == "minimise"
    with pytest.raises(ValueError, match="minimise"):
        Objective(metric="m", name="o", direction="down", reference=1)
    with pytest.raises(ValueError, match="cannot be named 'knee'"):
        Objective(metric="m", name="knee", reference=1)
    with pytest.raises(ValueError, match="pattern"):
        Objective(metric="m", name="../o", reference=1)
    with pytest.raises(ValueError, match="has no bound"):
        Guard(metric="m")


def test_best_points_start_with_the_knee():
    rows = front(trials([[0.0, 1.0], [0.2, 0.2], [1.0, 0.0]]), objectives(2), [])
    assert list(best_points(rows).items()) == [("knee", 1), ("o0", 0), ("o1", 2)]


def test_summary_of_rows_in_memory():
    goals = objectives(2)
    assert summarise([], goals, []).hypervolume == 0
    rows = [
        {"trial": 0, "state": "finished", "m0": 0.5, "m1": 0.5},
        {"trial": 1, "state": "failed"},
        {"trial": 2, "state": "finished", "m0": 0.25, "m1": 0.75},
    ]
    found = summarise(rows, goals, [])
    assert list(found.front["trial"]) == [2, 0]
    assert found.hypervolume == pytest.approx(0.75 * 0.25 + 0.5 * 0.25)


def test_history_is_the_front_of_every_prefix(maker):
    folder = maker.write(maker.trade(40))
    frame = read_trials(folder)
    goals = [
        Objective(metric="stitch_fvu", name="recon", reference=1.0),
        Objective(metric="action_kl_ratio", name="kl", reference=1.0),
    ]
    guards = [Guard(metric="window_samples", at_least=8)]
    history = hypervolume_history(frame.sample(frac=1.0, random_state=1), goals, guards)
    assert list(history.columns) == ["trials", "epochs", "seconds", "front_size", "hypervolume"]
    assert history["epochs"].tolist() == [4 * n for n in range(1, 41)]
    assert history["seconds"].iloc[0] == 7.25
    for count in range(1, 41):
        best = front(frame.iloc[:count], goals, guards)
        assert history["front_size"].iloc[count - 1] == len(best)
        assert history["hypervolume"].iloc[count - 1] == pytest.approx(hypervolume(best, goals))


def test_search_time_leaves_out_the_night_between_two_sessions():
    moments = [(0, 10), (2, 8), (10, 15), (3615, 3620), (3616, 3640), (None, 3641)]
    trials = pd.DataFrame(moments, columns=["started", "ended"])
    trials = trials.apply(lambda column: pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(column, unit="s"))
    found = seconds_of_work(trials)
    np.testing.assert_allclose(found, [10, 8, 15, 20, 40, np.nan])
    np.testing.assert_allclose(seconds_of_work(trials.iloc[::-1]), found[::-1])
    assert len(seconds_of_work(trials.iloc[:0])) == 0


def test_history_leaves_out_interrupted_trials(maker):
    rows = maker.rows([[0.5, 0.5], [0.4, 0.4]])
    rows[1]["state"] = "interrupted"
    frame = read_trials(maker.write(rows))
    goals = [Objective(metric="stitch_fvu", name="recon", reference=1.0)]
    assert len(hypervolume_history(frame, goals, [])) == 1
